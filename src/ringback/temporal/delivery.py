"""Deliveries: outcomes as Temporal gets them, by task token or by ids.

The raw service is used, since only there each call has an identity of its own, which history keeps.
"""

from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import (
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest,
    RespondActivityTaskFailedRequest,
)
from temporalio.converter import DataConverter
from temporalio.service import WorkflowService

from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.domain.terms import Terms
from ringback.temporal.encoder import Encoder
from ringback.temporal.payloads import as_payloads, contextual, relays_json, to_failure, to_payloads
from ringback.temporal.request import in_time, translated


@dataclass(frozen=True, slots=True)
class Result:
    """A completion; `payloads` is `None` for no result at all."""

    payloads: Payloads | None


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A report of a cancellation; `payloads` is `None` for no details."""

    payloads: Payloads | None


Encoded = Result | Failure | Cancellation


async def encode(encoder: Encoder, terms: Terms, outcome: Outcome) -> Encoded:
    """Return `outcome` as it goes over the wire, through the converter and its codec.

    Raises:
        EncodingError: The user's converter or codec failed, or did not return in time.
    """
    if isinstance(outcome, Completed) and relays_json(encoder.converter):
        return Result(as_payloads(outcome.result))
    in_context = contextual(encoder.converter, terms)
    make = partial(_encode, in_context, outcome, is_standalone=terms.is_standalone)
    return await encoder.run(make, terms.callback_id)


async def _encode(converter: DataConverter, outcome: Outcome, *, is_standalone: bool) -> Encoded:
    match outcome:
        case Completed(result):
            return Result(await to_payloads(converter, result))
        case Failed():
            return await to_failure(converter, outcome)
        case Canceled(details):
            if details is None and is_standalone:
                # Nothing would be there to sign: see `ringback.temporal.signature`.
                details = b"null"
            return Cancellation(await to_payloads(converter, details))


async def end_by_token(
    service: WorkflowService, callback: Callback, encoded: Encoded, *, identity: str
) -> None:
    """End the attempt that the callback's token names, or nothing."""
    with translated(callback.ref):
        match encoded:
            case Result(payloads):
                completed = RespondActivityTaskCompletedRequest(result=payloads, identity=identity)
                await in_time(
                    service.respond_activity_task_completed, _with_token(completed, callback)
                )
            case Failure():
                failed = RespondActivityTaskFailedRequest(failure=encoded, identity=identity)
                await in_time(service.respond_activity_task_failed, _with_token(failed, callback))
            case Cancellation(payloads):
                canceled = RespondActivityTaskCanceledRequest(details=payloads, identity=identity)
                await in_time(
                    service.respond_activity_task_canceled, _with_token(canceled, callback)
                )


async def end_by_ids(
    service: WorkflowService, ref: ActivityExecution, encoded: Encoded, *, identity: str
) -> None:
    """End the activity that has these ids by now."""
    with translated(ref):
        match encoded:
            case Result(payloads):
                completed = RespondActivityTaskCompletedByIdRequest(
                    result=payloads, identity=identity
                )
                await in_time(
                    service.respond_activity_task_completed_by_id, with_ids(completed, ref)
                )
            case Failure():
                failed = RespondActivityTaskFailedByIdRequest(failure=encoded, identity=identity)
                await in_time(service.respond_activity_task_failed_by_id, with_ids(failed, ref))
            case Cancellation(payloads):
                canceled = RespondActivityTaskCanceledByIdRequest(
                    details=payloads, identity=identity
                )
                await in_time(service.respond_activity_task_canceled_by_id, with_ids(canceled, ref))


class _ByToken(Protocol):
    """A request that names an attempt by its token."""

    namespace: str
    task_token: bytes


class _ByIds(Protocol):
    """A request that names an activity by its ids."""

    namespace: str
    workflow_id: str
    run_id: str
    activity_id: str


T = TypeVar("T", bound=_ByToken)
R = TypeVar("R", bound=_ByIds)


def _with_token(request: T, callback: Callback) -> T:
    assert callback.task_token is not None, "ask first whether there is one"
    request.namespace = callback.ref.namespace
    request.task_token = callback.task_token
    return request


def with_ids(request: R, ref: ActivityExecution) -> R:
    """Return `request` with the ids of `ref` filled in."""
    request.namespace = ref.namespace
    request.workflow_id = ref.workflow_id
    request.run_id = ref.run_id
    request.activity_id = ref.activity_id
    return request
