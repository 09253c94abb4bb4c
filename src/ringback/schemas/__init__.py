"""The JSON of the HTTP API, as models that the gateway and the client share."""
