"""Rate limits allow a rate and a burst per client, in bounded memory."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from ringback.core.hooks import Hooks
from ringback.core.rate_limit import RateLimit, RateLimits
from ringback.domain.operation_errors import TooManyRequestsError
from ringback.testing import ManualClock


class RecordedLimits(Hooks):
    """Records the limits that were reached."""

    def __init__(self) -> None:
        self.limits: list[str] = []

    def limit_reached(self, limit: str) -> None:
        self.limits.append(limit)


def count_allowed(check: Callable[[], object], *, of: int) -> int:
    allowed = 0
    for _ in range(of):
        try:
            check()
        except TooManyRequestsError:
            continue
        allowed += 1
    return allowed


def test_burst_passes_and_then_only_the_rate() -> None:
    clock, hooks = ManualClock(), RecordedLimits()
    limits: RateLimits[str] = RateLimits("answers", 2, burst=10, clock=clock, hooks=hooks)

    at_once = count_allowed(lambda: limits.check("one"), of=15)
    clock.advance(timedelta(seconds=3))
    later = count_allowed(lambda: limits.check("one"), of=15)
    clock.advance(timedelta(hours=1))
    much_later = count_allowed(lambda: limits.check("one"), of=15)

    assert (at_once, later, much_later) == (10, 6, 10)
    assert hooks.limits == ["answers"] * (5 + 9 + 5)


def test_refusal_says_when_the_next_request_passes() -> None:
    clock = ManualClock()
    limit = RateLimit("answers", 0.5, burst=1, clock=clock)

    limit.check()
    with pytest.raises(TooManyRequestsError) as refused:
        limit.check()
    clock.advance(timedelta(seconds=2))
    limit.check()

    assert refused.value.retry_after is not None
    assert timedelta(seconds=1.99) < refused.value.retry_after <= timedelta(seconds=2)


def test_refused_requests_do_not_delay_the_next_one() -> None:
    clock = ManualClock()
    limit = RateLimit("answers", 1, burst=1, clock=clock)

    allowed = count_allowed(limit.check, of=1000)
    clock.advance(timedelta(seconds=1))
    limit.check()

    assert allowed == 1


def test_each_client_has_its_own_limit() -> None:
    limits: RateLimits[str] = RateLimits("answers", 1, burst=2, clock=ManualClock())

    first = count_allowed(lambda: limits.check("one"), of=9)
    second = count_allowed(lambda: limits.check("two"), of=9)

    assert (first, second) == (2, 2)


def test_zero_per_second_is_no_limit() -> None:
    limits: RateLimits[str] = RateLimits("answers", 0, burst=0, clock=ManualClock())

    assert count_allowed(lambda: limits.check("one"), of=1000) == 1000
    assert limits.remembered == 0


def test_many_clients_take_bounded_memory_and_a_busy_one_is_not_forgotten() -> None:
    most = 0
    limits: RateLimits[int] = RateLimits("answers", 1, burst=3, clock=ManualClock(), most=100)

    allowed = 0
    for number in range(1, 10_000):
        limits.check(number)
        most = max(most, limits.remembered)
        if number % 40 == 0:
            allowed += count_allowed(lambda: limits.check(0), of=1)

    assert most <= 100
    assert allowed == 3
