"""Payloads: the outside's JSON, relayed as it came, through the client's converter and codec."""

from typing import Final

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import (
    ActivitySerializationContext,
    CompositePayloadConverter,
    DataConverter,
)
from temporalio.exceptions import ApplicationError

from ringback.domain.outcome import Failed
from ringback.domain.raw_json import items
from ringback.domain.terms import Terms

_JSON: Final = {"encoding": b"json/plain"}


def raw_json(body: bytes) -> RawValue:
    """Return JSON bytes as a value that every payload converter passes through."""
    return RawValue(_payload(body))


def _payload(body: bytes) -> Payload:
    return Payload(metadata=_JSON, data=body)


def as_payloads(body: bytes | None) -> Payloads | None:
    """Return one payload for one JSON value, as it is; `None` for nothing."""
    return None if body is None else Payloads(payloads=[_payload(body)])


def contextual(converter: DataConverter, terms: Terms) -> DataConverter:
    """Return `converter` as the worker has it when it runs the activity of a callback.

    A codec whose key depends on the workflow needs that; others do not mind. It is what an
    activity's worker gives, down to the activity's id, so that both encode alike.
    """
    context = ActivitySerializationContext(
        namespace=terms.namespace,
        activity_id=terms.activity_id,
        activity_type=terms.activity_type,
        activity_task_queue=terms.task_queue,
        workflow_id=terms.workflow_id,
        workflow_type=terms.workflow_type,
        is_local=False,
    )
    return converter.with_context(context)


def relays_json(converter: DataConverter) -> bool:
    """Tell whether `raw_json` goes through `converter` as it is, with nothing put around it."""
    payloads = converter.payload_converter_class
    return (
        converter.payload_codec is None
        and converter.external_storage is None
        and issubclass(payloads, CompositePayloadConverter)
        and payloads.to_payloads is CompositePayloadConverter.to_payloads
        and payloads.with_context is CompositePayloadConverter.with_context
    )


async def to_payloads(converter: DataConverter, body: bytes | None) -> Payloads | None:
    """Return one payload for one JSON value; `None` for nothing."""
    if body is None:
        return None
    return Payloads(payloads=await converter.encode([raw_json(body)]))


async def to_failure(converter: DataConverter, failed: Failed) -> Failure:
    """Return an application failure exactly as it was given."""
    failure = Failure()
    await converter.encode_failure(to_exception(failed), failure)
    return failure


def to_exception(failed: Failed) -> ApplicationError:
    """Return the error that an activity would raise to fail in the same way."""
    return ApplicationError(
        failed.message,
        *(raw_json(detail) for detail in items(failed.details or b"[]")),
        type=failed.type,
        non_retryable=failed.non_retryable,
        next_retry_delay=failed.delay_for_temporal,
    )
