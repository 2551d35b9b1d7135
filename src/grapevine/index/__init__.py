"""Vectors to nearest neighbours: exact, compressed, hashed; folders that are checked first."""
