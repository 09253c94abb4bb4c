import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.namespace.v1 import NamespaceInfo
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeNamespaceResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from ringback.core.services import run_services
from ringback.domain.errors import AnswerTooLargeError, TemporalUnreachableError
from ringback.temporal.encoding import Cancellation, Result
from ringback.temporal.limits import (
    DEFAULT_BLOB_LIMIT,
    RETRYABLE_FAILURE_LIMIT,
    SURELY_TAKEN,
    NamespaceLimits,
    check_size,
)
from tests.loops import idle


@dataclass
class Namespaces:
    """A client and its service in one: returns the limits of its namespace, or is away."""

    limit: int = 1000
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    now: float = 0.0
    namespace: str = "default"
    slept: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    @property
    def workflow_service(self) -> "Namespaces":
        return self

    async def describe_namespace(
        self,
        request: DescribeNamespaceRequest,
        *,
        metadata: object,  # noqa: ARG002 - the SDK's signature
        timeout: timedelta,  # noqa: ARG002, ASYNC109 - the SDK's signature
    ) -> DescribeNamespaceResponse:
        self.asked.append(request.namespace)
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        limits = NamespaceInfo.Limits(blob_size_limit_error=self.limit)
        return DescribeNamespaceResponse(namespace_info=NamespaceInfo(limits=limits))

    def limits(self) -> NamespaceLimits:
        return NamespaceLimits(cast("Client", self), monotonic=lambda: self.now, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        """Let time pass when the test says so."""
        await self.slept.wait()
        self.slept.clear()
        self.now += seconds


def payloads(size: int) -> Payloads:
    """Return payloads of exactly that size on the wire."""
    made = Payloads(payloads=[Payload(data=bytes(size))])
    made.payloads[0].data = bytes(size - (made.ByteSize() - size))
    assert made.ByteSize() == size
    return made


def failure(size: int, *, non_retryable: bool = False) -> Failure:
    """Return a failure of exactly that size on the wire."""
    info = ApplicationFailureInfo(non_retryable=non_retryable)
    made = Failure(message="m" * size, application_failure_info=info)
    made.message = "m" * (size - (made.ByteSize() - size))
    assert made.ByteSize() == size
    return made


@pytest.mark.parametrize("wrap", [Result, Cancellation, lambda payloads: payloads])
def test_payloads_of_exactly_the_limit_are_accepted(wrap: type[Result]) -> None:
    check_size(wrap(payloads(1000)), 1000)

    with pytest.raises(AnswerTooLargeError, match="1001 bytes as it goes to Temporal") as raised:
        check_size(wrap(payloads(1001)), 1000)
    assert raised.value.limit == 1000
    assert "answer with its location" in str(raised.value)


@pytest.mark.parametrize("nothing", [Result(None), Cancellation(None)])
def test_missing_payload_is_never_too_large(nothing: Result | Cancellation) -> None:
    check_size(nothing, 0)


def test_retryable_failure_may_have_the_size_that_temporal_keeps() -> None:
    check_size(failure(RETRYABLE_FAILURE_LIMIT), DEFAULT_BLOB_LIMIT)

    with pytest.raises(AnswerTooLargeError, match="non_retryable") as raised:
        check_size(failure(RETRYABLE_FAILURE_LIMIT + 1), DEFAULT_BLOB_LIMIT)
    assert raised.value.limit == RETRYABLE_FAILURE_LIMIT


def test_non_retryable_failure_may_be_as_large_as_a_result() -> None:
    check_size(failure(10_000, non_retryable=True), 10_000)

    with pytest.raises(AnswerTooLargeError) as raised:
        check_size(failure(10_001, non_retryable=True), 10_000)
    assert raised.value.limit == 10_000


def test_failure_above_the_namespaces_limit_is_rejected() -> None:
    with pytest.raises(AnswerTooLargeError) as raised:
        check_size(failure(2000), 1000)
    assert raised.value.limit == 1000


async def test_each_namespace_has_its_own_limit() -> None:
    server = Namespaces(limit=1000)

    with pytest.raises(AnswerTooLargeError):
        await server.limits().check("orders", Result(payloads(1001)))

    assert server.asked == ["orders"]


async def test_limits_of_a_namespace_are_cached() -> None:
    server = Namespaces()
    limits = server.limits()

    first = [await limits.blob_limit(name) for name in ("one", "one", "other")]
    server.limit, server.now = 2000, 299.0
    cached = await limits.blob_limit("one")
    server.now = 301.0
    fresh = await limits.blob_limit("one")

    assert first == [1000, 1000, 1000]
    assert (cached, fresh) == (1000, 2000)
    assert server.asked == ["one", "other", "one"]


async def test_server_without_limits_has_the_default() -> None:
    assert await Namespaces(limit=0).limits().blob_limit("default") == DEFAULT_BLOB_LIMIT


AWAY = [
    RPCError("tcp connect error", RPCStatusCode.UNAVAILABLE, b""),
    RuntimeError("Failed client connect"),
    TimeoutError(),
]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
async def test_default_applies_and_is_refreshed_soon_while_temporal_is_away(
    error: Exception,
) -> None:
    server = Namespaces(error=error)
    limits = server.limits()

    away = [await limits.blob_limit("default") for _ in range(3)]
    server.error, server.now = None, 6.0
    back = await limits.blob_limit("default")

    assert away == [DEFAULT_BLOB_LIMIT] * 3
    assert back == 1000
    assert len(server.asked) == 2


async def test_known_limit_applies_while_temporal_is_away() -> None:
    server = Namespaces(limit=1000)
    limits = server.limits()
    await limits.blob_limit("default")

    server.error, server.now = AWAY[0], 1000.0

    assert await limits.blob_limit("default") == 1000


async def test_check_before_sending_does_not_use_a_guess() -> None:
    server = Namespaces(limit=1000, error=AWAY[0])
    limits = server.limits()
    await limits.check("default", Result(payloads(2000)))

    with pytest.raises(TemporalUnreachableError, match="payload limit: "):
        await limits.check_to_send("default", Result(payloads(2000)))
    server.error = None
    with pytest.raises(AnswerTooLargeError) as raised:
        await limits.check_to_send("default", Result(payloads(2000)))
    await limits.check_to_send("default", Result(payloads(1000)))

    assert raised.value.limit == 1000
    assert len(server.asked) == 3


async def test_refresh_does_not_block_other_checks() -> None:
    server = Namespaces(limit=1000)
    limits = server.limits()
    await limits.blob_limit("default")
    server.limit, server.now = 2000, 1000.0
    server.may_answer.clear()

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(limits.blob_limit("default"))
        await idle()
        meanwhile = await limits.blob_limit("default")
        server.may_answer.set()

    assert (meanwhile, asking.result()) == (1000, 2000)
    assert len(server.asked) == 2


async def test_concurrent_first_checks_share_one_request() -> None:
    server = Namespaces(limit=1000)
    limits = server.limits()
    server.may_answer.clear()

    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(limits.blob_limit("default")) for _ in range(5)]
        await idle()
        server.may_answer.set()

    assert [one.result() for one in waiting] == [1000] * 5
    assert server.asked == ["default"]


async def test_small_payload_is_allowed_without_a_request() -> None:
    server = Namespaces()
    limits = server.limits()

    assert limits.allow("default", SURELY_TAKEN)
    assert not limits.allow("default", SURELY_TAKEN + 1)
    assert server.asked == []


async def test_fresh_limit_is_used_without_a_request() -> None:
    server = Namespaces(limit=1000)
    limits = server.limits()
    await limits.blob_limit("default")

    assert limits.allow("default", 1000)
    assert not limits.allow("default", 1001)
    server.now += 24 * 3600
    assert limits.allow("default", 1000)
    assert not limits.allow("default", 1001)


async def test_expired_limit_is_sure_only_for_small_payloads() -> None:
    server = Namespaces(limit=1_000_000)
    limits = server.limits()
    await limits.blob_limit("default")
    server.now += 24 * 3600

    assert limits.allow("default", SURELY_TAKEN)
    assert not limits.allow("default", SURELY_TAKEN + 1)


async def test_limits_are_refreshed_before_they_expire() -> None:
    server = Namespaces(error=RuntimeError("away"))
    limits = server.limits()
    async with run_services(limits):
        await idle()
        assert server.asked == ["default"]
        for _ in range(3):
            server.slept.set()
            await idle()

        assert server.asked == ["default"] * 2
        assert limits.allow("default", 1_000_000)
