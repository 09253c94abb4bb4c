"""Chaos: real programs, seeded faults, and at the end the ledger beside every history.

It judges by what it reads itself: nothing here uses `ringback.temporal`.
"""
