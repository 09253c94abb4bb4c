"""One call may take several tries, in the time that it has."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from ringback.completion.retry import Tries

AWAY = RPCError("tcp connect error", RPCStatusCode.UNAVAILABLE, b"")
REFUSED = RPCError("no", RPCStatusCode.INVALID_ARGUMENT, b"")


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


@dataclass
class Time:
    """Passes when somebody sleeps, or when a request takes its whole timeout."""

    now: float = 0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, delay: float) -> None:
        self.slept.append(delay)
        self.now += delay


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def tries(time: Time) -> Tries:
    return Tries(seconds(8), monotonic=time.monotonic, sleep=time.sleep, jitter=lambda: 1.0)


def ending_with(*ends: Exception | str, time: Time) -> Callable[[timedelta], Awaitable[str]]:
    """Return a request whose tries end so, one after the other; each takes its whole timeout."""
    left = list(ends)

    async def request(within: timedelta) -> str:
        time.now += within.total_seconds()
        end = left.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    return request


async def test_a_try_gets_half_of_what_is_left_so_that_there_may_be_another(
    tries: Tries, time: Time
) -> None:
    await tries.make(ending_with("done", time=time))
    assert time.now == 4

    await tries.make(ending_with("done", time=time))
    assert time.now == 6


async def test_a_try_never_gets_more_than_a_request_of_the_gateway(time: Time) -> None:
    tries = Tries(seconds(60), monotonic=time.monotonic)

    await tries.make(ending_with("done", time=time))

    assert time.now == 5


async def test_between_tries_there_is_a_pause_that_grows(tries: Tries, time: Time) -> None:
    assert await tries.pause()
    assert await tries.pause()

    assert time.slept == [0.1, 0.2]


async def test_there_is_no_pause_when_no_time_would_be_left_after_it(
    tries: Tries, time: Time
) -> None:
    time.now = 7.95

    assert not await tries.pause()

    assert time.slept == []


async def test_what_only_reads_is_tried_until_it_is_answered(tries: Tries, time: Time) -> None:
    assert await tries.read(ending_with(AWAY, AWAY, "seen", time=time)) == "seen"


async def test_what_only_reads_is_not_tried_again_after_a_refusal(tries: Tries, time: Time) -> None:
    with pytest.raises(RPCError) as caught:
        await tries.read(ending_with(REFUSED, "never", time=time))

    assert caught.value is REFUSED


async def test_what_only_reads_ends_with_the_time(tries: Tries, time: Time) -> None:
    with pytest.raises(RPCError):
        await tries.read(ending_with(*[AWAY] * 99, time=time))

    assert 7 < time.now <= 8


@pytest.mark.parametrize("total", [5, 0.5, "5s"])
def test_a_time_without_a_unit_is_refused(total: Any) -> None:
    with pytest.raises(TypeError, match="rpc_timeout must be a timedelta"):
        Tries(total)
