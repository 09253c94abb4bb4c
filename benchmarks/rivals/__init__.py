"""What Ringback is measured beside: each a real program, as its users would run it.

Those in Python are served as the gateway is, which favours them.
"""
