"""What is sent and what comes back, as the OpenAPI document tells it; a file for each subject."""
