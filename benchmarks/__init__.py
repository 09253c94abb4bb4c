"""Measures Ringback beside what people would use instead, on one machine in one run.

`README.md` in this folder describes what is measured and how. Nothing here is needed to run Ringback,
and no promise is weakened for a figure: what is measured are the programs as they are shipped.
"""
