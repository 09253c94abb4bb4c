"""Payloads: the outside's JSON, relayed as it came, through the client's converter and codec."""

import json
from collections.abc import Iterator
from typing import Final

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from ringback.domain.outcome import Failed

_JSON: Final = {"encoding": b"json/plain"}


def raw_json(body: bytes) -> RawValue:
    """Return JSON bytes as a value that every payload converter passes through."""
    return RawValue(Payload(metadata=_JSON, data=body))


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
        *(raw_json(detail) for detail in _split(failed.details)),
        type=failed.type,
        non_retryable=failed.non_retryable,
        next_retry_delay=failed.next_retry_delay,
    )


def _split(details: bytes | None) -> Iterator[bytes]:
    for detail in json.loads(details or b"[]"):
        yield json.dumps(detail, ensure_ascii=False).encode()
