"""The way to the HTTP service."""
