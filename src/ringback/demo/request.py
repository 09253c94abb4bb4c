"""The request of a call: how slow it is, and how it ends.

The timeouts are computed from it, so a replayed workflow gets the same ones.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

_PATIENCE: Final = timedelta(seconds=60)
_SILENCE: Final = timedelta(seconds=3)
"""How much longer than announced an answer may take."""

_PATIENCE_IF_IGNORED: Final = timedelta(seconds=5)
"""The same for a callback that answers nothing."""

_MAXIMUM_ATTEMPTS: Final = 5


class ActivityAction(StrEnum):
    """What the outside service does with the activity, once its time has come."""

    HEARTBEAT = "heartbeat"
    COMPLETE = "complete"
    FAIL = "fail"
    REPORT_CANCELLATION = "report_cancellation"
    IGNORE = "ignore"


@dataclass(frozen=True)
class CallRequest:
    """The workflow's input.

    Attributes:
        time_to_request: For how many seconds the service keeps its caller waiting for the 200.
        time_to_callback: How many seconds after the request arrived the service calls back.
        activity_action: What it calls back with.
    """

    time_to_request: int = 1
    time_to_callback: int = 10
    activity_action: ActivityAction = ActivityAction.COMPLETE

    @property
    def schedule_to_close_timeout(self) -> timedelta:
        """How long the activity may take, over all its attempts."""
        if self.activity_action is ActivityAction.IGNORE:
            return self._announced + _PATIENCE_IF_IGNORED
        return self._announced + _PATIENCE

    @property
    def heartbeat_timeout(self) -> timedelta | None:
        """How long the activity may be silent; the gateway keeps it alive until it is heard of."""
        return _SILENCE if self.activity_action is ActivityAction.HEARTBEAT else None

    @property
    def maximum_attempts(self) -> int:
        """The maximum attempts of the activity."""
        return 1 if self.activity_action is ActivityAction.IGNORE else _MAXIMUM_ATTEMPTS

    @property
    def execution_timeout(self) -> timedelta:
        """How long the workflow may take, even if no worker runs it."""
        return self.schedule_to_close_timeout + _PATIENCE

    @property
    def _announced(self) -> timedelta:
        return timedelta(seconds=self.time_to_request + self.time_to_callback)
