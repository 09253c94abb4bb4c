from datetime import timedelta

import pytest
from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    SerializationContext,
    WithSerializationContext,
)
from temporalio.exceptions import ApplicationError

from ringback.domain.outcome import Completed, Failed
from ringback.domain.terms import Terms, to_terms
from ringback.temporal.encoder import Encoder, Use
from ringback.temporal.encoding import (
    Result,
    contextual,
    encode,
    raw_values,
    to_exception,
    to_failure,
    to_payloads,
)
from tests.codecs import ZipCodec, hidden
from tests.factories import activity_ref, opened, request


class Listening(ZipCodec, WithSerializationContext):
    """A codec that records its context."""

    def __init__(self) -> None:
        self.contexts: list[SerializationContext] = []

    def with_context(self, context: SerializationContext) -> "Listening":
        self.contexts.append(context)
        return self


async def waiting(workflow_id: str = "order-7") -> Terms:
    ref = activity_ref(workflow_id=workflow_id, activity_id="1")
    return to_terms(await opened(request(ref=ref)))


def details_of(failure: Failure) -> list[bytes]:
    return [one.data for one in failure.application_failure_info.details.payloads]


async def test_codec_gets_the_same_context_as_in_the_worker() -> None:
    codec = Listening()

    contextual(DataConverter(payload_codec=codec), await waiting())

    assert codec.contexts == [
        ActivitySerializationContext(
            namespace="default",
            activity_id="1",
            activity_type="charge",
            activity_task_queue="orders",
            workflow_id="order-7",
            workflow_type="Order",
            is_local=False,
        )
    ]


async def test_key_of_a_codec_may_depend_on_the_workflow() -> None:
    ours, theirs = [contextual(hidden, await waiting(name)) for name in ("ours", "theirs")]

    encoded = await to_payloads(ours, raw_values(b'"secret"'))

    assert encoded is not None
    assert b"secret" not in encoded.SerializeToString()
    assert await ours.decode_wrapper(encoded) == ["secret"]
    assert encoded != await to_payloads(theirs, raw_values(b'"secret"'))


async def test_result_keeps_its_bytes() -> None:
    encoded = await to_payloads(DataConverter.default, raw_values(b'{"b": 1.10, "a": 1e400}'))

    assert isinstance(encoded, Payloads)
    (payload,) = encoded.payloads
    assert payload.data == b'{"b": 1.10, "a": 1e400}'
    assert payload.metadata["encoding"] == b"json/plain"


async def test_missing_result_has_no_payload() -> None:
    assert await to_payloads(DataConverter.default, raw_values(None)) is None


async def test_details_keep_their_bytes() -> None:
    failed = Failed("no", details=b'[1.10, 1e400, {"b": 1,  "a": 2.0}, "\\u00e4", []]')

    failure = await to_failure(DataConverter.default, to_exception(failed))

    assert details_of(failure) == [b"1.10", b"1e400", b'{"b": 1,  "a": 2.0}', b'"\\u00e4"', b"[]"]


async def test_failure_keeps_its_fields() -> None:
    failed = Failed(
        "declined", type="Declined", non_retryable=True, next_retry_delay=timedelta(minutes=5)
    )

    failure = await to_failure(DataConverter.default, to_exception(failed))

    info = failure.application_failure_info
    assert (failure.message, info.type, info.non_retryable) == ("declined", "Declined", True)
    assert info.next_retry_delay.ToTimedelta() == timedelta(minutes=5)
    assert (failure.stack_trace, failure.HasField("cause")) == ("", False)


async def test_missing_delay_is_left_to_temporal() -> None:
    failure = await to_failure(DataConverter.default, to_exception(Failed("no")))

    assert not failure.application_failure_info.HasField("next_retry_delay")


async def test_delay_of_zero_is_sent_as_the_shortest_delay() -> None:
    failed = Failed("no", next_retry_delay=timedelta(0))

    failure = await to_failure(DataConverter.default, to_exception(failed))

    delay = failure.application_failure_info.next_retry_delay.ToTimedelta()
    assert timedelta(0) < delay <= timedelta(milliseconds=1)


async def test_failure_is_encrypted_including_its_message() -> None:
    converter = contextual(hidden, await waiting())

    failure = await to_failure(
        converter, to_exception(Failed("a secret", details=b'["another secret", 1.10]'))
    )

    assert b"secret" not in failure.SerializeToString()
    decoded = await converter.decode_failure(failure)
    assert isinstance(decoded, ApplicationError)
    assert decoded.message == "a secret"
    assert decoded.details == ("another secret", 1.1)


@pytest.mark.parametrize("body", [b'{"amount": 1.10}', None], ids=["a result", "nothing"])
async def test_unchanged_result_equals_the_converters_payload(
    body: bytes | None,
) -> None:
    converter = DataConverter.default

    encoded = await encode(Encoder(converter), await waiting(), Completed(body), use=Use.CHECK)

    assert encoded == Result(await to_payloads(converter, raw_values(body)))


async def test_result_passes_through_the_codec() -> None:
    converter = DataConverter(payload_codec=ZipCodec())

    encoded = await encode(Encoder(converter), await waiting(), Completed(b"1"), use=Use.DELIVERY)

    assert isinstance(encoded, Result)
    assert encoded.payloads is not None
    assert encoded.payloads.payloads[0].metadata["encoding"] != b"json/plain"
