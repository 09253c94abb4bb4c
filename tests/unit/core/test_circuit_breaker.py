"""While Temporal is away, one delivery at a time probes it."""

from datetime import timedelta

from ringback.core.delivery_pacer import CircuitBreaker
from ringback.domain.durations import LONGEST

NOW = timedelta(days=1)


def away() -> CircuitBreaker:
    breaker = CircuitBreaker(lambda: 1.0)
    breaker.record(is_away=True, now=NOW)
    return breaker


def test_all_free_slots_are_used_while_temporal_replies() -> None:
    breaker = CircuitBreaker(lambda: 1.0)

    assert breaker.limit(64, NOW) == 64
    assert breaker.rest(NOW) is None


def test_one_probe_starts_now_and_then_while_temporal_is_away() -> None:
    breaker = away()
    rest = breaker.rest(NOW)
    assert rest is not None

    assert breaker.limit(64, NOW) == 0
    assert breaker.limit(64, NOW + rest) == 1
    assert breaker.limit(64, NOW + rest) == 0


def test_probe_without_room_is_not_counted() -> None:
    breaker, later = away(), NOW + LONGEST

    for _ in range(10):
        assert breaker.limit(0, later) == 0

    assert breaker.rest(later) == timedelta(0)
    assert breaker.limit(1, later) == 1


def test_first_answer_is_delivered() -> None:
    breaker = away()

    breaker.record(is_away=False, now=NOW)

    assert breaker.limit(64, NOW) == 64
