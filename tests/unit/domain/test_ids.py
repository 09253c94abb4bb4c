"""Ids are opaque, have one form, and ascend with time."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from ringback.domain.ids import RANDOM_BYTES, new_callback_id, new_event_id, new_outcome_id
from tests.factories import NOW

YEARS = timedelta(days=20_000)


def test_ids_ascend_with_time() -> None:
    most, least = b"\xff" * RANDOM_BYTES, bytes(RANDOM_BYTES)

    earlier = new_callback_id(NOW, most)
    later = new_callback_id(NOW + timedelta(milliseconds=1), least)

    assert sorted([later, earlier]) == [earlier, later]


@given(one=st.timedeltas(timedelta(0), YEARS), other=st.timedeltas(timedelta(0), YEARS))
def test_of_two_ids_the_earlier_sorts_first(one: timedelta, other: timedelta) -> None:
    chance = bytes(RANDOM_BYTES)
    at = sorted([NOW + one, NOW + other])

    assert new_callback_id(at[0], chance) <= new_callback_id(at[1], chance)


def test_id_prefix_says_its_kind() -> None:
    assert new_callback_id(NOW, bytes(RANDOM_BYTES)).startswith("cb_")
    assert new_outcome_id(NOW, bytes(RANDOM_BYTES)).startswith("oc_")
    assert new_event_id(NOW, bytes(RANDOM_BYTES)).startswith("ev_")
