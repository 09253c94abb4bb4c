"""How a call ended: Temporal's reply to the client, as one of a few kinds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.converter import DataConverter
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    FailureError,
    TimeoutError,  # noqa: A004 - the SDK's name; the built-in one is not used here
)

RPC_TIMEOUT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class WorkflowReturned:
    """The workflow returned `result`, the service's answer."""

    result: Any


@dataclass(frozen=True, slots=True)
class WorkflowFailed:
    """The workflow failed, with the service's failure or an earlier one."""

    message: str
    type: str


@dataclass(frozen=True, slots=True)
class WorkflowCanceled:
    """The workflow was canceled; `details` are those that the service reported."""

    details: Sequence[Any]


@dataclass(frozen=True, slots=True)
class WorkflowTimedOut:
    """A timeout passed without an answer; `limit` names it."""

    limit: str


Ending = WorkflowReturned | WorkflowFailed | WorkflowCanceled | WorkflowTimedOut


async def read_ending(handle: WorkflowHandle[Any, Any], converter: DataConverter) -> Ending:
    """Return how the ended workflow of `handle` ended.

    Raises:
        RPCError: Temporal did not reply.
    """
    try:
        return WorkflowReturned(await handle.result(rpc_timeout=RPC_TIMEOUT))
    except WorkflowFailureError as exc:
        if isinstance(exc.cause, CancelledError):
            return WorkflowCanceled(await _reported_details(handle, converter))
        return to_ending(exc.cause)


def to_ending(failure: BaseException) -> WorkflowFailed | WorkflowTimedOut:
    """Return the ending for `failure`, by its root cause."""
    match failure:
        case ActivityError(cause=FailureError() as cause):
            return to_ending(cause)
        case TimeoutError(type=limit):
            name = "unknown" if limit is None else limit.name.lower().replace("_", " ")
            return WorkflowTimedOut(name)
        case ApplicationError(message=message, type=kind):
            return WorkflowFailed(message, kind or "unknown")
        case _:
            return WorkflowFailed(str(failure), type(failure).__name__)


async def _reported_details(
    handle: WorkflowHandle[Any, Any], converter: DataConverter
) -> Sequence[Any]:
    # A canceled workflow does not carry its activity's details; its history does.
    async for event in handle.fetch_history_events(rpc_timeout=RPC_TIMEOUT):
        if event.HasField("activity_task_canceled_event_attributes"):
            details = event.activity_task_canceled_event_attributes.details
            return await converter.decode(details.payloads)
    return []
