"""The HTTP API: routes by link for senders; by API key for operators and for workers."""
