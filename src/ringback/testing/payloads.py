"""Values of a test as senders' JSON, through the data converter of its workers."""

from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from ringback.client.answers import to_request
from ringback.domain.outcome import Failed


def to_json(value: object, converter: DataConverter) -> bytes:
    """Return `value` as JSON, as the data converter writes it before any codec.

    Raises:
        TypeError: The converter does not write it as JSON.
    """
    (payload,) = converter.payload_converter.to_payloads([value])
    match payload.metadata["encoding"]:
        case b"json/plain":
            return payload.data
        case b"binary/null":
            return b"null"
        case _:
            msg = f"an answer is JSON, which the data converter does not make of {value!r}"
            raise TypeError(msg)


def to_failure_body(error: ApplicationError, converter: DataConverter) -> bytes:
    """Return what a sender posts to fail an activity with `error`."""
    details = b",".join(to_json(detail, converter) for detail in error.details)
    failed = Failed(
        error.message,
        type=error.type,
        non_retryable=error.non_retryable,
        details=b"[" + details + b"]" if error.details else None,
        next_retry_delay=error.next_retry_delay,
    )
    _, body = to_request(failed)
    assert body is not None, "a failure has a body"
    return body
