"""While Temporal is away, one delivery at a time finds out whether it is back."""

from datetime import timedelta

from ringback.core.circuit_breaker import CircuitBreaker
from ringback.domain.durations import LONGEST

NOW = timedelta(days=1)


def away() -> CircuitBreaker:
    breaker = CircuitBreaker(lambda: 1.0)
    breaker.record(is_away=True, now=NOW)
    return breaker


def test_while_temporal_answers_all_begin_that_there_is_room_for() -> None:
    breaker = CircuitBreaker(lambda: 1.0)

    assert breaker.limit(64, NOW) == 64
    assert breaker.rest(NOW) is None


def test_while_it_is_away_one_begins_now_and_then() -> None:
    breaker = away()
    rest = breaker.rest(NOW)
    assert rest is not None

    assert breaker.limit(64, NOW) == 0
    assert breaker.limit(64, NOW + rest) == 1
    assert breaker.limit(64, NOW + rest) == 0


def test_a_probe_for_which_there_is_no_room_is_not_used_up() -> None:
    breaker, later = away(), NOW + LONGEST

    for _ in range(10):
        assert breaker.limit(0, later) == 0

    assert breaker.rest(later) == timedelta(0)
    assert breaker.limit(1, later) == 1


def test_the_first_answer_ends_it() -> None:
    breaker = away()

    breaker.record(is_away=False, now=NOW)

    assert breaker.limit(64, NOW) == 64
