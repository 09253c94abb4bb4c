"""As many deliveries at a time as Temporal takes."""

from ringback.core.delivery_pacer import MOST, SLOTS, ConcurrencyLimit


def grown() -> ConcurrencyLimit:
    limit = ConcurrencyLimit()
    take(limit, MOST)
    return limit


def take(limit: ConcurrencyLimit, count: int) -> None:
    for _ in range(count):
        limit.end(limit.begin(), is_busy=False)


def test_they_grow_with_each_that_is_taken_and_never_beyond_the_most() -> None:
    limit = ConcurrencyLimit()
    first = limit.allowed
    take(limit, 10)
    soon = limit.allowed
    take(limit, MOST)

    assert (first, soon, limit.allowed) == (SLOTS, SLOTS + 10, MOST)


def test_a_busy_temporal_halves_them_once_for_all_that_were_under_way() -> None:
    limit = ConcurrencyLimit()
    under_way = [limit.begin() for _ in range(SLOTS)]

    for began in under_way:
        limit.end(began, is_busy=True)

    assert limit.allowed == SLOTS // 2


def test_there_is_always_one_that_finds_out() -> None:
    limit = ConcurrencyLimit()

    for _ in range(10):
        limit.end(limit.begin(), is_busy=True)

    assert limit.allowed == 1


def test_once_it_was_too_much_they_grow_slowly() -> None:
    limit = ConcurrencyLimit()
    limit.end(limit.begin(), is_busy=True)

    take(limit, SLOTS // 2)
    soon = limit.allowed
    take(limit, SLOTS)

    assert (soon, limit.allowed) == (SLOTS // 2, SLOTS // 2 + 2)


def test_after_an_outage_there_are_as_many_as_at_first_however_many_there_were() -> None:
    limit = grown()
    began = limit.begin()

    limit.lose()
    limit.lose()
    limit.end(began, is_busy=True)

    assert limit.allowed == SLOTS


def test_an_outage_gives_a_busy_temporal_no_more() -> None:
    limit = ConcurrencyLimit()
    limit.end(limit.begin(), is_busy=True)

    limit.lose()
    take(limit, 1)

    assert limit.allowed == SLOTS // 2
