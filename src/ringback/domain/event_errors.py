"""Errors of aliases, sources and their events."""

from datetime import datetime

from ringback.domain.durations import format_instant
from ringback.domain.errors import FinalError, RetryableError
from ringback.domain.ids import CallbackId, EventId


class AliasInUseError(RetryableError):
    """Another callback that has not ended has the alias; nothing was stored.

    Retrying succeeds once that callback has ended. An activity whose retry policy lists
    `AliasInUseError` in `non_retryable_error_types` fails instead.

    Attributes:
        alias: The alias.
        callback_id: The callback that has it.
        workflow_id: The workflow of that callback; empty for a standalone activity.
    """

    def __init__(self, alias: str, callback_id: CallbackId, workflow_id: str) -> None:
        of = f" of workflow {workflow_id!r}" if workflow_id else ""
        super().__init__(
            f"the alias {alias!r} belongs to {callback_id}{of}, which has not ended; use another"
            " alias, remove it from that callback, or retry when that has ended"
        )
        self.alias = alias
        self.callback_id = callback_id
        self.workflow_id = workflow_id


class UnknownAliasError(FinalError):
    """No callback has this alias."""

    def __init__(self, alias: str, namespace: str) -> None:
        super().__init__(
            f"the alias {alias!r} is not in use in the namespace {namespace!r}; nothing was stored"
        )


class AliasFreedError(FinalError):
    """The callback that had this alias has ended, and no other has it now.

    Attributes:
        callback_id: The callback that had it.
        freed_at: When it ended.
    """

    def __init__(
        self, alias: str, callback_id: CallbackId, workflow_id: str, *, freed_at: datetime
    ) -> None:
        of = f" of workflow {workflow_id!r}" if workflow_id else ""
        super().__init__(
            f"the alias {alias!r} is not in use: it led to {callback_id}{of}, which ended at"
            f" {format_instant(freed_at)}; nothing was stored"
        )
        self.callback_id = callback_id
        self.freed_at = freed_at


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
