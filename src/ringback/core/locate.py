"""Locate: where the activity of a callback is now, also after its workflow was reset."""

from dataclasses import replace

from ringback.domain.callback import Callback
from ringback.ports.activities import Activities, Ended, Whereabouts


async def locate(activities: Activities, callback: Callback) -> tuple[Callback, Whereabouts]:
    """Return the callback as it is to be addressed now, and how its activity waits or ended.

    A reset of the workflow ends the activity, unless the callback follows it to where the same
    activity waits again.

    Raises:
        TemporalUnreachableError: It cannot be learnt now.
    """
    found = await activities.locate(callback.ref)
    if callback.follows_reset and isinstance(found, Ended) and found.is_the_workflow_s:
        moved_to = await activities.find_after_reset(callback.ref)
        if moved_to is not None:
            return replace(callback, ref=moved_to), await activities.locate(moved_to)
    return callback, found
