"""A run as a service: recommendations over HTTP, events kept, models swapped, experiments told."""
