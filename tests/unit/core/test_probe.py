"""While Temporal is away, one delivery at a time finds out whether it is back."""

from datetime import timedelta

from ringback.core.probe import Probe
from ringback.domain.backoff import LONGEST

NOW = timedelta(days=1)


def away() -> Probe:
    probe = Probe(lambda: 1.0)
    probe.note(is_away=True, now=NOW)
    return probe


def test_while_temporal_answers_all_begin_that_there_is_room_for() -> None:
    probe = Probe(lambda: 1.0)

    assert probe.limit(64, NOW) == 64
    assert probe.rest(NOW) is None


def test_while_it_is_away_one_begins_now_and_then() -> None:
    probe = away()
    rest = probe.rest(NOW)
    assert rest is not None

    assert probe.limit(64, NOW) == 0
    assert probe.limit(64, NOW + rest) == 1
    assert probe.limit(64, NOW + rest) == 0


def test_a_probe_for_which_there_is_no_room_is_not_used_up() -> None:
    probe, later = away(), NOW + LONGEST

    for _ in range(10):
        assert probe.limit(0, later) == 0

    assert probe.rest(later) == timedelta(0)
    assert probe.limit(1, later) == 1


def test_the_first_answer_ends_it() -> None:
    probe = away()

    probe.note(is_away=False, now=NOW)

    assert probe.limit(64, NOW) == 64
