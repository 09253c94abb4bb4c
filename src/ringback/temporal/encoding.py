"""Encoding: results, failures and details on the wire, through converter and codec, and signed.

JSON of senders is relayed unchanged.

Temporal records the identity of a request in the event that closes the activity. A retried failure
has no event, only the failure itself. A standalone activity has no events: Temporal shows who
completed or failed it, but not who reported its cancellation (observed on server 1.32). There the
details contain the identity as metadata, which converters ignore.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import (
    ActivitySerializationContext,
    CompositePayloadConverter,
    DataConverter,
)
from temporalio.exceptions import ApplicationError

from ringback.domain.exact_json import items
from ringback.domain.ids import RANDOM_BYTES, new_outcome_id, to_identity
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.domain.terms import Terms
from ringback.temporal.encoder import Encoder, Use

_JSON: Final = {"encoding": b"json/plain"}


@dataclass(frozen=True, slots=True)
class Result:
    """A completion; `payloads` is `None` for no result at all."""

    payloads: Payloads | None


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A report of a cancellation; `payloads` is `None` for no details."""

    payloads: Payloads | None


Encoded = Result | Failure | Cancellation


def raw_json(body: bytes) -> RawValue:
    """Wrap JSON bytes in a value that every payload converter passes through."""
    return RawValue(to_payload(body))


def raw_values(body: bytes | None) -> list[RawValue]:
    """Return the values to encode for a sender's JSON: one, or none."""
    return [] if body is None else [raw_json(body)]


def to_payload(body: bytes) -> Payload:
    """Return the payload of one JSON value, unchanged."""
    return Payload(metadata=_JSON, data=body)


def as_payloads(body: bytes | None) -> Payloads | None:
    """Return one payload for one JSON value, unchanged; `None` for nothing."""
    return None if body is None else Payloads(payloads=[to_payload(body)])


def contextual(converter: DataConverter, terms: Terms) -> DataConverter:
    """Return `converter` with the context of the worker that runs a callback's activity.

    A codec whose key depends on the workflow needs it. The context matches the worker's down to the
    activity id, so that both encode alike.
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
    """Return whether `raw_json` passes through `converter` unchanged."""
    payloads = converter.payload_converter_class
    return (
        converter.payload_codec is None
        and converter.external_storage is None
        and issubclass(payloads, CompositePayloadConverter)
        and payloads.to_payloads is CompositePayloadConverter.to_payloads
        and payloads.with_context is CompositePayloadConverter.with_context
    )


async def to_payloads(converter: DataConverter, values: Sequence[Any]) -> Payloads | None:
    """Return one payload for each value; `None` for no values.

    Exceptions of the converter or its codec are raised unchanged.
    """
    return Payloads(payloads=await converter.encode(values)) if values else None


async def to_failure(converter: DataConverter, error: BaseException) -> Failure:
    """Return the failure of an activity that raised `error`.

    Exceptions of the converter or its codec are raised unchanged.
    """
    failure = Failure()
    await converter.encode_failure(error, failure)
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


async def encode(encoder: Encoder, terms: Terms, outcome: Outcome, *, use: Use) -> Encoded:
    """Encode `outcome` for the wire, through the converter and its codec.

    Raises:
        EncodingError: The user's converter or codec failed, or did not return in time.
    """
    if isinstance(outcome, Completed) and relays_json(encoder.converter):
        return Result(as_payloads(outcome.result))
    in_context = contextual(encoder.converter, terms)
    make = partial(_encode, in_context, outcome, is_standalone=terms.is_standalone)
    return await encoder.run(make, terms.callback_id, use)


async def _encode(converter: DataConverter, outcome: Outcome, *, is_standalone: bool) -> Encoded:
    match outcome:
        case Completed(result):
            return Result(await to_payloads(converter, raw_values(result)))
        case Failed():
            return await to_failure(converter, to_exception(outcome))
        case Canceled(details):
            if details is None and is_standalone:
                # Otherwise `signed` has nothing to sign.
                details = b"null"
            return Cancellation(await to_payloads(converter, raw_values(details)))


SPECIMEN: Final = to_identity(new_outcome_id(datetime.fromtimestamp(0, UTC), bytes(RANDOM_BYTES)))
"""An identity of the usual length, to compute how much a signature adds."""

_KEY: Final = "ringback"


def signed(encoded: Encoded, identity: str, *, is_standalone: bool) -> Encoded:
    """Add the sender's identity to `encoded` if Temporal would not show it otherwise."""
    match encoded:
        case Failure():
            encoded.source = identity
        case Cancellation(Payloads() as details) if is_standalone:
            for payload in details.payloads:
                payload.metadata[_KEY] = identity.encode()
        case Result() | Cancellation():
            pass
    return encoded


def signer_of(details: Payloads) -> str:
    """Return the identity in the details of a cancellation; empty if unsigned."""
    names = (payload.metadata.get(_KEY, b"") for payload in details.payloads)
    return next(filter(None, names), b"").decode("utf-8", "replace")
