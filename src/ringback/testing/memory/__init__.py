"""The parts of the store in memory, one for each port."""
