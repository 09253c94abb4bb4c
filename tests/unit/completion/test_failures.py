"""Failures use Temporal's words, and impossible ones are rejected."""

from datetime import timedelta

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from ringback.completion.failures import fail_with, fail_with_what_was_raised
from ringback.completion.refs import ActivityRef, Target
from ringback.domain.completion_errors import (
    CompletionRefusedError,
    CompletionUnansweredError,
    UnusableTokenError,
)
from ringback.domain.errors import AnswerTooLargeError, EncodingError
from ringback.testing import FakeCompletionClient, FakeWaitingActivity


def test_failure_has_all_its_arguments() -> None:
    failure = fail_with(
        "CardDeclined",
        "the bank said no",
        details=[{"code": 51}, "second"],
        next_retry_delay=timedelta(minutes=5),
    )

    assert (failure.type, failure.message) == ("CardDeclined", "the bank said no")
    assert failure.details == ({"code": 51}, "second")
    assert not failure.non_retryable
    assert failure.next_retry_delay == timedelta(minutes=5)


def test_failure_can_be_non_retryable() -> None:
    failure = fail_with("ApprovalDenied", non_retryable=True)

    assert failure.non_retryable
    assert failure.next_retry_delay is None


def test_message_defaults_to_the_type() -> None:
    assert fail_with("ApprovalDenied").message == "ApprovalDenied"


def test_delay_of_zero_becomes_the_shortest_delay() -> None:
    assert fail_with("Busy", next_retry_delay=timedelta(0)).next_retry_delay == timedelta(
        milliseconds=1
    )


@pytest.mark.parametrize("text", ["one text", b"bytes"])
def test_string_as_details_is_rejected(text: str | bytes) -> None:
    with pytest.raises(TypeError, match="details is a string"):
        fail_with("Busy", details=text)


def test_failure_without_a_type_is_rejected() -> None:
    with pytest.raises(ValueError, match="type"):
        fail_with("")


def test_negative_delay_is_rejected() -> None:
    with pytest.raises(ValueError, match="delay"):
        fail_with("Busy", next_retry_delay=timedelta(seconds=-1))


def test_delay_of_a_non_retryable_failure_is_rejected() -> None:
    with pytest.raises(ValueError, match="no attempt follows"):
        fail_with("Busy", non_retryable=True, next_retry_delay=timedelta(seconds=1))


class Refusing:
    """A server that rejects the first failure."""

    def __init__(self, error: Exception) -> None:
        self.errors = [error]

    async def __call__(self, _told: str, _target: Target) -> None:
        if self.errors:
            raise self.errors.pop()


def refused(status: RPCStatusCode) -> CompletionRefusedError:
    error = CompletionRefusedError("Temporal refused it")
    error.__cause__ = RPCError("no", status, b"")
    return error


@pytest.mark.parametrize(
    "refusal",
    [
        AnswerTooLargeError(4096),
        CompletionRefusedError("no such kind"),
        refused(RPCStatusCode.INVALID_ARGUMENT),
        EncodingError("the data converter did not return"),
    ],
    ids=["too large", "no such kind", "refused", "not encoded"],
)
async def test_failure_that_cannot_be_sent_is_shortened(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    refusal: Exception,
) -> None:
    completion.before = Refusing(refusal)

    await fail_with_what_was_raised(completion, ref, ValueError("x" * 5000))

    sent = activity.failure
    assert isinstance(sent, ApplicationError)
    assert (sent.type, sent.message, sent.non_retryable) == ("ValueError", "x" * 500, False)


async def test_shortened_failure_keeps_its_retry_options(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    completion.before = Refusing(AnswerTooLargeError(4096))

    await fail_with_what_was_raised(
        completion, ref, fail_with("Denied", "no", non_retryable=True, details=["x" * 5000])
    )

    sent = activity.failure
    assert isinstance(sent, ApplicationError)
    assert (sent.type, sent.message, sent.non_retryable) == ("Denied", "no", True)
    assert sent.details == ()


class UnspeakableErrorError(Exception):
    """An error whose text raises."""

    def __str__(self) -> str:
        msg = "no text"
        raise RuntimeError(msg)


class Encoding(FakeCompletionClient):
    """A client's data converter and size limit, in front of a server that takes what they pass."""

    def __init__(self, completion: FakeCompletionClient, *, growth: int = 1) -> None:
        super().__init__()
        self._completion = completion
        self._growth = growth

    async def fail(self, activity: Target, error: BaseException) -> None:
        failure = Failure()
        await DataConverter.default.encode_failure(error, failure)
        if failure.ByteSize() * self._growth > 4096:
            raise AnswerTooLargeError(4096)
        if isinstance(error, ApplicationError) and error.next_retry_delay:
            msg = "no such delay"
            raise CompletionRefusedError(msg)
        await self._completion.fail(activity, error)


LONG_NAMED = type("E" * 6000, (Exception,), {})


@pytest.mark.parametrize(
    ("error", "type_", "message"),
    [
        (ApplicationError("bad", object(), type="T"), "T", "bad"),
        (ApplicationError("bad", type="T", next_retry_delay=timedelta.max), "T", "bad"),
        (ApplicationError("bad", type="T", next_retry_delay=timedelta(hours=1)), "T", ""),
        (ApplicationError("bad", type="T" * 6000), "T" * 200, "bad"),
        (ApplicationError("bad", type="\ud800"), "?", "bad"),
        (UnspeakableErrorError(), "UnspeakableErrorError", ""),
        (ValueError("not \ud800"), "ValueError", "not ?"),
        (LONG_NAMED("bad"), "E" * 200, "bad"),
    ],
    ids=[
        "details",
        "delay",
        "refused delay",
        "long type",
        "bad type",
        "no text",
        "bad text",
        "long name",
    ],
)
async def test_activity_fails_with_what_can_be_sent_of_any_exception(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    error: Exception,
    type_: str,
    message: str,
) -> None:
    await fail_with_what_was_raised(Encoding(completion), ref, error)

    sent = activity.failure
    assert isinstance(sent, ApplicationError)
    assert (sent.type, sent.message) == (type_, message)


async def test_failure_that_its_codec_enlarges_is_shortened_further(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    await fail_with_what_was_raised(Encoding(completion, growth=12), ref, ValueError("x" * 5000))

    sent = activity.failure
    assert isinstance(sent, ApplicationError)
    assert (sent.type, sent.message) == ("ValueError", "x" * 50)


@pytest.mark.parametrize(
    "refusal", [TypeError("no failure is encoded"), AnswerTooLargeError(1)], ids=["error", "large"]
)
async def test_failure_that_cannot_be_sent_at_all_raises(
    completion: FakeCompletionClient, ref: ActivityRef, refusal: Exception
) -> None:
    async def refuse(_told: str, _target: Target) -> None:
        raise refusal

    completion.before = refuse

    with pytest.raises(type(refusal)):
        await fail_with_what_was_raised(completion, ref, ValueError("no"))


@pytest.mark.parametrize(
    "refusal",
    [
        UnusableTokenError("no token"),
        refused(RPCStatusCode.PERMISSION_DENIED),
        refused(RPCStatusCode.UNAUTHENTICATED),
    ],
    ids=["no token", "not permitted", "not known"],
)
async def test_rejected_client_sends_no_shorter_failure(
    completion: FakeCompletionClient, ref: ActivityRef, refusal: CompletionRefusedError
) -> None:
    sent = []

    async def refuse(what: str, _target: Target) -> None:
        sent.append(what)
        raise refusal

    completion.before = refuse

    with pytest.raises(CompletionRefusedError) as caught:
        await fail_with_what_was_raised(completion, ref, ValueError("no"))

    assert caught.value is refusal
    assert sent == ["fail"]


async def test_failure_without_a_reply_is_not_shortened(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    completion.before = Refusing(
        CompletionUnansweredError("no answer", may_be_applied=True, identity="me")
    )

    with pytest.raises(CompletionUnansweredError):
        await fail_with_what_was_raised(completion, ref, ValueError("no"))

    assert activity.ended_by is None
