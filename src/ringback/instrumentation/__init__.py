"""Backends of `ringback.core.hooks`: what reports a gateway's work to other programs."""
