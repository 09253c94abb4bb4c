"""What the core needs from the outside, as Protocols of at most seven methods."""
