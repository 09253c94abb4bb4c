"""A typed client of the gateway's HTTP API; it needs neither the store nor Temporal."""
