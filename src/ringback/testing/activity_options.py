"""How the workflow of a test would call an activity."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import uuid4

from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.testing import ActivityEnvironment

from ringback.testing.which import check_names


class ActivityOptions(TypedDict, total=False):
    """How the workflow would call the activity; all are optional.

    Attributes:
        start_to_close_timeout: The timeout of one attempt; default none.
        schedule_to_close_timeout: The timeout of the activity; default none.
        heartbeat_timeout: What `activity.info()` shows; the kit does not enforce it.
        retry_policy: Which failures another attempt follows. Without it, the first failure is the
            activity's end, and only an activity that resumes or polls has another attempt.
        workflow_id: The id of the workflow; default a new one.
        activity_id: The id of the activity; default `1`.
    """

    start_to_close_timeout: timedelta | None
    schedule_to_close_timeout: timedelta | None
    heartbeat_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    workflow_id: str
    activity_id: str


def to_info(
    function: Callable[..., Any], options: ActivityOptions, *, number: int, now: datetime
) -> activity.Info:
    """Return what `activity.info()` shows in the activity that a test starts as its `number`th.

    Raises:
        TypeError: `function` cannot be called, or an option is unknown.
    """
    check_names(options, ActivityOptions)
    if not callable(function):
        msg = f"pass the activity and then its arguments, instead of {function!r}"
        raise TypeError(msg)
    definition = getattr(function, "__temporal_activity_definition", None)
    name = getattr(definition, "name", None) or getattr(function, "__name__", "an activity")
    return replace(
        ActivityEnvironment.default_info(),
        activity_id=options.get("activity_id", "1"),
        activity_type=str(name),
        workflow_id=options.get("workflow_id") or f"workflow-{number}",
        workflow_run_id=str(uuid4()),
        scheduled_time=now,
        start_to_close_timeout=options.get("start_to_close_timeout"),
        schedule_to_close_timeout=options.get("schedule_to_close_timeout"),
        heartbeat_timeout=options.get("heartbeat_timeout"),
        retry_policy=options.get("retry_policy"),
    )
