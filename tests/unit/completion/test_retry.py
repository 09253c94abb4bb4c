"""One call may take several tries within its timeout."""

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
    """A clock that advances when something sleeps, or when a request takes its whole timeout."""

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
    """Return a request whose tries end like this, in order; each takes its whole timeout."""
    left = list(ends)

    async def request(within: timedelta) -> str:
        time.now += within.total_seconds()
        end = left.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    return request


async def test_try_gets_half_of_the_remaining_time(tries: Tries, time: Time) -> None:
    await tries.make(ending_with("done", time=time))
    assert time.now == 4

    await tries.make(ending_with("done", time=time))
    assert time.now == 6


async def test_try_never_gets_more_than_the_request_timeout(time: Time) -> None:
    tries = Tries(seconds(60), monotonic=time.monotonic)

    await tries.make(ending_with("done", time=time))

    assert time.now == 5


async def test_pause_between_tries_grows(tries: Tries, time: Time) -> None:
    assert await tries.pause()
    assert await tries.pause()

    assert time.slept == [0.1, 0.2]


async def test_last_try_is_followed_by_no_pause(tries: Tries, time: Time) -> None:
    time.now = 7.95

    assert not await tries.pause()

    assert time.slept == []


async def test_read_is_retried_until_a_reply(tries: Tries, time: Time) -> None:
    assert await tries.read(ending_with(AWAY, AWAY, "seen", time=time)) == "seen"


async def test_rejected_read_is_not_retried(tries: Tries, time: Time) -> None:
    with pytest.raises(RPCError) as caught:
        await tries.read(ending_with(REFUSED, "never", time=time))

    assert caught.value is REFUSED


async def test_read_ends_with_the_timeout(tries: Tries, time: Time) -> None:
    with pytest.raises(RPCError):
        await tries.read(ending_with(*[AWAY] * 99, time=time))

    assert 7 < time.now <= 8


@pytest.mark.parametrize("total", [5, 0.5, "5s"])
def test_timeout_that_is_not_a_timedelta_is_rejected(total: Any) -> None:
    with pytest.raises(TypeError, match="rpc_timeout must be a timedelta"):
        Tries(total)
