"""Chaos: run real programs under seeded faults, then compare the ledger with every history.

It reads everything itself: nothing here uses `ringback.temporal`.
"""
