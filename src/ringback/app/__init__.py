"""The composition root: builds programs from the core and the edges, and runs them."""
