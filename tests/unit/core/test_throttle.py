"""As many deliveries at a time as Temporal takes."""

from ringback.core.throttle import Throttle


def test_a_busy_temporal_halves_them_once_for_all_that_were_under_way() -> None:
    throttle = Throttle(64)
    under_way = [throttle.begin() for _ in range(64)]

    for began in under_way:
        throttle.end(began, is_busy=True)

    assert throttle.allowed == 32


def test_there_is_always_one_that_finds_out() -> None:
    throttle = Throttle(4)

    for _ in range(10):
        throttle.end(throttle.begin(), is_busy=True)

    assert throttle.allowed == 1


def test_they_grow_back_slowly_and_never_beyond_the_most() -> None:
    throttle = Throttle(8)
    throttle.end(throttle.begin(), is_busy=True)

    throttle.end(throttle.begin(), is_busy=False)
    soon = throttle.allowed
    for _ in range(100):
        throttle.end(throttle.begin(), is_busy=False)

    assert (soon, throttle.allowed) == (4, 8)
