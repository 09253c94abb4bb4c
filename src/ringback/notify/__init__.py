"""Webhooks over HTTP that report changes of a callback."""
