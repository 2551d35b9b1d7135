"""A run as a service: what was asked and what is answered, durable events, HTTP, the page."""
