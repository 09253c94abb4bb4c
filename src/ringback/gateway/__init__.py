"""The HTTP server: senders answer by link; operators and workers use an API key."""
