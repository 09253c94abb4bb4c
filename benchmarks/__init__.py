"""Measures Ringback and its alternatives, on one machine in one run.

`README.md` in this folder describes what is measured and how. Ringback runs without this package.
The measured programs are the released ones: no promise is weakened for a figure.
"""
