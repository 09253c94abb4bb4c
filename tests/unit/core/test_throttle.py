"""As many deliveries at a time as Temporal takes."""

from ringback.core.throttle import MOST, SLOTS, Throttle


def grown() -> Throttle:
    throttle = Throttle()
    take(throttle, MOST)
    return throttle


def take(throttle: Throttle, count: int) -> None:
    for _ in range(count):
        throttle.end(throttle.begin(), is_busy=False)


def test_they_grow_with_each_that_is_taken_and_never_beyond_the_most() -> None:
    throttle = Throttle()
    first = throttle.allowed
    take(throttle, 10)
    soon = throttle.allowed
    take(throttle, MOST)

    assert (first, soon, throttle.allowed) == (SLOTS, SLOTS + 10, MOST)


def test_a_busy_temporal_halves_them_once_for_all_that_were_under_way() -> None:
    throttle = Throttle()
    under_way = [throttle.begin() for _ in range(SLOTS)]

    for began in under_way:
        throttle.end(began, is_busy=True)

    assert throttle.allowed == SLOTS // 2


def test_there_is_always_one_that_finds_out() -> None:
    throttle = Throttle()

    for _ in range(10):
        throttle.end(throttle.begin(), is_busy=True)

    assert throttle.allowed == 1


def test_once_it_was_too_much_they_grow_slowly() -> None:
    throttle = Throttle()
    throttle.end(throttle.begin(), is_busy=True)

    take(throttle, SLOTS // 2)
    soon = throttle.allowed
    take(throttle, SLOTS)

    assert (soon, throttle.allowed) == (SLOTS // 2, SLOTS // 2 + 2)


def test_after_an_outage_there_are_as_many_as_at_first_however_many_there_were() -> None:
    throttle = grown()
    began = throttle.begin()

    throttle.lose()
    throttle.lose()
    throttle.end(began, is_busy=True)

    assert throttle.allowed == SLOTS


def test_an_outage_gives_a_busy_temporal_no_more() -> None:
    throttle = Throttle()
    throttle.end(throttle.begin(), is_busy=True)

    throttle.lose()
    take(throttle, 1)

    assert throttle.allowed == SLOTS // 2
