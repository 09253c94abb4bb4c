"""How to address an activity, and what a client can tell it."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeAlias

from ringback.domain.callback import ActivityExecution

_UNKNOWN: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class ActivityRef:
    """An activity by its ids: whichever attempt is current.

    Ids alone recur: the SDK counts activity ids from 1 in each run. With `run_id`, a late answer
    never reaches another run.

    Attributes:
        activity_id: The activity's id, as in `activity.info().activity_id`.
        workflow_id: The workflow that scheduled it; `None` for a standalone activity.
        run_id: The run of the workflow, or of the standalone activity; `None` for the latest.
        namespace: Temporal's namespace; `None` for the client's.

    Raises:
        TypeError: An id is not a string.
        ValueError: An id is empty; omit it if there is none.
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
        msg = f"{name} must be a string as Temporal shows it, not {type(value).__name__}"
        raise TypeError(msg)
    if not value:
        instead = "; leave it out if there is none" if is_optional else ""
        msg = f"{name} is empty{instead}"
        raise ValueError(msg)


Target: TypeAlias = bytes | bytearray | memoryview | ActivityRef
"""A task token, or ids."""


def freeze(target: Target) -> bytes | ActivityRef:
    """Return `target` with a token as `bytes`, which cannot change after the call."""
    return bytes(target) if isinstance(target, bytearray | memoryview) else target


def to_execution(ref: ActivityRef, namespace: str) -> ActivityExecution:
    """Convert `ref`; the scheduled time is unknown.

    Args:
        ref: The caller's reference.
        namespace: The client's namespace.
    """
    return ActivityExecution(
        namespace=ref.namespace or namespace,
        workflow_id=ref.workflow_id or "",
        run_id=ref.run_id or "",
        activity_id=ref.activity_id,
        scheduled_at=_UNKNOWN,
    )


class CompletionClient(Protocol):
    """Completes, fails, heartbeats or cancels an activity.

    Implemented by `AsyncCompletionClient`, and for tests by `ringback.testing`'s
    `FakeCompletionClient`. All methods raise `ActivityNotFoundError` once the activity has ended.
    """

    async def complete(self, activity: Target, result: Any = ..., /) -> None: ...

    async def fail(self, activity: Target, error: BaseException, /) -> None: ...

    async def heartbeat(
        self, activity: Target, /, *details: Any, rpc_timeout: timedelta | None = None
    ) -> None: ...

    async def report_cancellation(self, activity: Target, /, *details: Any) -> None: ...
