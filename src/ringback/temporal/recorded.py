"""Recorded: the heartbeat details that Temporal has, for heartbeats that bring none.

A heartbeat without details erases those that were recorded before (observed on server 1.32), so
they are sent again. What an attempt had recorded when it went asynchronous does not change by
itself: then it is asked for once, and before that with each heartbeat.
"""

from datetime import datetime
from typing import Final

from temporalio.api.common.v1 import Payloads
from temporalio.service import WorkflowService

from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.ids import CallbackId
from ringback.temporal import standalone
from ringback.temporal.describe import pending_activities, with_id

_MOST: Final = 20_000
_LARGEST: Final = 4096
"""Larger details are not kept in memory; they are asked for each time."""


class Recorded:
    """What attempts had recorded when it was asked for."""

    def __init__(self, service: WorkflowService) -> None:
        """Ask `service`."""
        self._service = service
        self._known: dict[tuple[CallbackId, datetime], Payloads | None] = {}

    async def find(self, callback: Callback) -> Payloads | None:
        """Return the details of the latest heartbeat of the activity; `None` if there are none.

        Raises:
            ActivityGoneError: The activity does not wait any more.
            TemporalMisconfiguredError: The server does not know the namespace.
            TemporalUnreachableError: No answer.
        """
        attempt = callback.id, callback.attempt_started_at
        if attempt in self._known:
            return self._known[attempt]
        details = await self._ask(callback.ref)
        is_small = details is None or details.ByteSize() <= _LARGEST
        # Until then the attempt's own code may record more.
        if is_small and callback.submitted_at is not None:
            self._keep(attempt, details)
        return details

    def forget(self, callback: Callback) -> None:
        """Take note that other details were recorded."""
        self._known.pop((callback.id, callback.attempt_started_at), None)

    async def _ask(self, ref: ActivityExecution) -> Payloads | None:
        if ref.is_standalone:
            return await standalone.recorded_details(self._service, ref)
        found = with_id(ref, await pending_activities(self._service, ref))
        if found is None or not found.HasField("heartbeat_details"):
            return None
        return found.heartbeat_details

    def _keep(self, attempt: tuple[CallbackId, datetime], details: Payloads | None) -> None:
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[attempt] = details
