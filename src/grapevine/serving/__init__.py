"""The service: events kept, recommendations answered, experiments measured, over HTTP."""
