"""The wait between tries grows, is bounded, and is random."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from ringback.domain.durations import FIRST, LONGEST, backoff

jitters = st.floats(0, 1)


@given(tries=st.integers(1, 10_000), jitter=jitters)
def test_wait_is_between_half_the_first_and_the_longest(tries: int, jitter: float) -> None:
    assert FIRST / 2 <= backoff(tries, jitter=jitter) <= LONGEST


def test_waits_double_up_to_the_longest() -> None:
    waits = [backoff(tries, jitter=1.0) for tries in range(1, 9)]

    assert waits[:3] == [FIRST, FIRST * 2, FIRST * 4]
    assert waits[-1] == LONGEST


@given(tries=st.integers(1, 100))
def test_jitter_spreads_a_wait_over_half_of_it(tries: int) -> None:
    assert backoff(tries, jitter=0.0) * 2 - backoff(tries, jitter=1.0) <= timedelta(microseconds=1)
