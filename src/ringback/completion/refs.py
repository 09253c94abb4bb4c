"""What an activity is addressed by: the token of one attempt, or ids."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final, TypeAlias

from ringback.domain.callback import ActivityExecution

_UNKNOWN: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class ActivityRef:
    """An activity by its ids: whichever attempt of it waits by now.

    Ids alone recur: the SDK counts an activity's id anew in each run. With the `run_id` a late
    answer never reaches another run.

    Attributes:
        activity_id: The activity's id, as `activity.info().activity_id` tells it.
        workflow_id: The workflow that scheduled it; `None` for a standalone activity.
        run_id: The run of the workflow, or of the standalone activity; `None` for the latest.
        namespace: Temporal's namespace; `None` for the client's.

    Raises:
        TypeError: An id is no text; give it as Temporal shows it.
        ValueError: An id is empty; leave out what there is none of.
    """

    activity_id: str
    workflow_id: str | None = None
    run_id: str | None = None
    namespace: str | None = None

    def __post_init__(self) -> None:
        for name in fields(self):
            _check(name.name, getattr(self, name.name), is_optional=name.default is None)


def _check(name: str, value: object, *, is_optional: bool) -> None:
    if value is None and is_optional:
        return
    if not isinstance(value, str):
        msg = f"{name} is a text, as Temporal shows it, not {type(value).__name__}"
        raise TypeError(msg)
    if not value:
        instead = "; leave it out if there is none" if is_optional else ""
        msg = f"{name} is empty{instead}"
        raise ValueError(msg)


Target: TypeAlias = bytes | ActivityRef
"""A task token, or ids."""


def to_execution(ref: ActivityRef, namespace: str) -> ActivityExecution:
    """Return `ref` as the rest of Ringback has it; when it was scheduled is not known.

    Args:
        ref: What the caller gave.
        namespace: The client's.
    """
    return ActivityExecution(
        namespace=ref.namespace or namespace,
        workflow_id=ref.workflow_id or "",
        run_id=ref.run_id or "",
        activity_id=ref.activity_id,
        scheduled_at=_UNKNOWN,
    )
