"""How a call ended: what the client is told by Temporal, as one of a few kinds."""

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
class Returned:
    """The workflow returned `result`, which is the outside's answer."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The workflow failed, with the failure that the outside gave or that came first."""

    message: str
    type: str


@dataclass(frozen=True, slots=True)
class Canceled:
    """The workflow was canceled; `details` are those that the outside reported."""

    details: Sequence[Any]


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Time was up before anybody answered; `limit` says which time."""

    limit: str


Ending = Returned | Failed | Canceled | TimedOut


async def read_ending(handle: WorkflowHandle[Any, Any], converter: DataConverter) -> Ending:
    """Return how the workflow of `handle`, which has ended, did end.

    Raises:
        RPCError: Temporal did not answer.
    """
    try:
        return Returned(await handle.result(rpc_timeout=RPC_TIMEOUT))
    except WorkflowFailureError as exc:
        if isinstance(exc.cause, CancelledError):
            return Canceled(await _reported_details(handle, converter))
        return to_ending(exc.cause)


def to_ending(failure: BaseException) -> Failed | TimedOut:
    """Return the ending that `failure` stands for, by what is at its root."""
    match failure:
        case ActivityError(cause=FailureError() as cause):
            return to_ending(cause)
        case TimeoutError(type=limit):
            name = "unknown" if limit is None else limit.name.lower().replace("_", " ")
            return TimedOut(name)
        case ApplicationError(message=message, type=kind):
            return Failed(message, kind or "unknown")
        case _:
            return Failed(str(failure), type(failure).__name__)


async def _reported_details(
    handle: WorkflowHandle[Any, Any], converter: DataConverter
) -> Sequence[Any]:
    # A canceled workflow does not carry its activity's details; its history does.
    async for event in handle.fetch_history_events(rpc_timeout=RPC_TIMEOUT):
        if event.HasField("activity_task_canceled_event_attributes"):
            details = event.activity_task_canceled_event_attributes.details
            return await converter.decode(details.payloads)
    return []
