"""The routes of the gateway, by what they act on."""
