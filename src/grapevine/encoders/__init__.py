"""From a thing to a vector: attributes, text, images, and all of them fused."""
