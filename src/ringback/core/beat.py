"""Beat: give Temporal one sign of life of the attempt that asked last."""

from ringback.domain.activity_state import HeartbeatResponse, Pending
from ringback.domain.callback import Callback
from ringback.domain.errors import ActivityGoneError
from ringback.ports.activities import Activities, Heartbeats


class Beating:
    """Sends heartbeats to where they belong."""

    def __init__(self, heartbeats: Heartbeats, activities: Activities) -> None:
        """Send through `heartbeats`; look at `activities` where a token does not serve."""
        self._heartbeats = heartbeats
        self._activities = activities

    async def check_details(self, callback: Callback, details: bytes | None) -> None:
        """Check that Temporal would take `details`.

        Raises:
            AnswerTooLargeError: Temporal would fail the activity over them.
            EncodingError: The user's data converter or codec failed; try again.
        """
        await self._heartbeats.check_details(callback, details)

    async def beat(self, callback: Callback) -> HeartbeatResponse:
        """Record a heartbeat with what the outside said last, for the attempt that asked last.

        By its token that is one request. By ids, after a look, where an operator's reset made the
        token another attempt's, or there is none: a heartbeat by ids reaches whatever has them.

        Raises:
            ActivityGoneError: That attempt does not run any more.
            AnswerTooLargeError: Temporal would fail the activity over the details.
            EncodingError: The user's data converter or codec failed; try again.
            RefusedByTemporalError: Temporal does not take it.
            TemporalUnreachableError: No answer; try again.
        """
        details = callback.heartbeat_state.details
        if callback.task_token is not None:
            try:
                return await self._heartbeats.heartbeat_to_attempt(callback, details)
            except ActivityGoneError:
                await self._check_runs(callback)
        else:
            await self._check_runs(callback)
        return await self._heartbeats.heartbeat(callback, details)

    async def _check_runs(self, callback: Callback) -> None:
        (pending,) = await self._activities.poll([callback.ref])
        if not _is_the_attempt(callback, pending):
            msg = "the attempt does not run any more"
            raise ActivityGoneError(msg)


def _is_the_attempt(callback: Callback, pending: Pending | None) -> bool:
    return pending is not None and pending.started_at == callback.attempt_started_at
