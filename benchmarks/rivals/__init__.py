"""What Ringback is measured beside: each a real program, as its users would run it."""
