"""Locate: where the activity of a callback is now, also after its workflow was reset."""

from dataclasses import replace

from ringback.core.verdict import judge
from ringback.domain.activity_state import ActivityState, Ended, Unknown
from ringback.domain.callback import ActivityExecution, Callback, State
from ringback.ports.activities import Activities


async def resolve(activities: Activities, callback: Callback) -> tuple[Callback, ActivityState]:
    """Return the callback as it is to be addressed now, and how its activity waits or ended.

    A reset of the workflow ends the activity, unless the callback follows it to where the same
    activity waits again.

    Raises:
        TemporalUnreachableError: It cannot be learnt now.
    """
    return await followed(activities, callback, await activities.resolve(callback.ref))


async def followed(
    activities: Activities, callback: Callback, found: ActivityState
) -> tuple[Callback, ActivityState]:
    """Return the same, where the activity itself was `found` already.

    Raises:
        TemporalUnreachableError: It cannot be learnt now.
    """
    if isinstance(found, Unknown):
        await activities.check_server(callback)
    if not isinstance(found, Ended) or not _may_have_moved(callback, found):
        return callback, found
    moved_to = await activities.find_after_reset(callback.ref)
    if moved_to is None:
        return callback, found
    return _moved(callback, moved_to), await activities.resolve(moved_to)


def _may_have_moved(callback: Callback, end: Ended) -> bool:
    if not callback.options.follow_reset or not end.is_the_workflow_s:
        return False
    if callback.accepted is None:
        return True
    # What an attempt there ended with, or may have, is not for a later run.
    verdict = judge(callback, callback.accepted, end)
    return verdict is not None and verdict.verdict is State.SUPERSEDED


def _moved(callback: Callback, moved_to: ActivityExecution) -> Callback:
    accepted = callback.accepted
    if accepted is not None:
        # That it ended no attempt where it was is known by now, and attempts count anew.
        accepted = replace(accepted, unconfirmed_attempt=None, unconfirmed_started_at=None)
    return replace(callback, ref=moved_to, accepted=accepted)
