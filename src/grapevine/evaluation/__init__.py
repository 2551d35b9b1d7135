"""Metrics, protocols, significance, reports."""
