"""Errors of sources and their events. The tree of all errors is in `ringback.domain.errors`."""

from ringback.domain.errors import FinalError
from ringback.domain.ids import EventId


class UnknownEventError(FinalError):
    """The event does not exist in the gateway's namespace."""

    def __init__(self, event_id: EventId) -> None:
        super().__init__(f"there is no event {event_id}; see: ringback events")


class CannotReplayError(FinalError):
    """The event cannot be replayed; the message says why, and what is possible."""


class UnknownSourceError(FinalError):
    """No source of this name is configured."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no source {name!r}; see: ringback sources")
