"""Errors of limits. The tree of all errors is in `ringback.domain.errors`."""

from ringback.domain.errors import RetryableError


class TooManyRequestsError(RetryableError):
    """A client sends more requests than its limit; retry later, and less often."""


class TooManyBytesError(RetryableError):
    """The gateway's memory for request bodies is full; nothing was stored."""
