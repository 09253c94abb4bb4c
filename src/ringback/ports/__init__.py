"""The interfaces that the core needs, as Protocols of at most seven methods."""
