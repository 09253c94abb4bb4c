"""The routes of the operator API, by what they act on."""
