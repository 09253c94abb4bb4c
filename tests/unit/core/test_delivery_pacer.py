"""The number of concurrent deliveries follows what Temporal accepts."""

from ringback.core.delivery_pacer import MOST, SLOTS, ConcurrencyLimit


def grown() -> ConcurrencyLimit:
    limit = ConcurrencyLimit()
    take(limit, MOST)
    return limit


def take(limit: ConcurrencyLimit, count: int) -> None:
    for _ in range(count):
        limit.end(limit.begin(), is_busy=False)


def test_limit_grows_with_each_delivery_up_to_the_maximum() -> None:
    limit = ConcurrencyLimit()
    first = limit.allowed
    take(limit, 10)
    soon = limit.allowed
    take(limit, MOST)

    assert (first, soon, limit.allowed) == (SLOTS, SLOTS + 10, MOST)


def test_busy_temporal_halves_the_limit_once_per_round() -> None:
    limit = ConcurrencyLimit()
    under_way = [limit.begin() for _ in range(SLOTS)]

    for began in under_way:
        limit.end(began, is_busy=True)

    assert limit.allowed == SLOTS // 2


def test_limit_never_falls_below_one() -> None:
    limit = ConcurrencyLimit()

    for _ in range(10):
        limit.end(limit.begin(), is_busy=True)

    assert limit.allowed == 1


def test_limit_grows_slowly_after_a_cut() -> None:
    limit = ConcurrencyLimit()
    limit.end(limit.begin(), is_busy=True)

    take(limit, SLOTS // 2)
    soon = limit.allowed
    take(limit, SLOTS)

    assert (soon, limit.allowed) == (SLOTS // 2, SLOTS // 2 + 2)


def test_outage_reduces_the_limit_to_its_first_value() -> None:
    limit = grown()
    began = limit.begin()

    limit.lose()
    limit.lose()
    limit.end(began, is_busy=True)

    assert limit.allowed == SLOTS


def test_outage_does_not_raise_the_limit() -> None:
    limit = ConcurrencyLimit()
    limit.end(limit.begin(), is_busy=True)

    limit.lose()
    take(limit, 1)

    assert limit.allowed == SLOTS // 2
