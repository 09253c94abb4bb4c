"""The composition root: the one place where the core meets what is outside."""
