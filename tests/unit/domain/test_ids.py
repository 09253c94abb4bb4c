"""Ids are opaque, alike in form, and ascend with time."""

from datetime import timedelta

from ringback.domain.ids import RANDOM_BYTES, new_callback_id, new_outcome_id
from tests.factories import NOW


def test_ids_ascend_with_time() -> None:
    most, least = b"\xff" * RANDOM_BYTES, bytes(RANDOM_BYTES)

    earlier = new_callback_id(NOW, most)
    later = new_callback_id(NOW + timedelta(milliseconds=1), least)

    assert sorted([later, earlier]) == [earlier, later]


def test_ids_say_what_they_name() -> None:
    assert new_callback_id(NOW, bytes(RANDOM_BYTES)).startswith("cb_")
    assert new_outcome_id(NOW, bytes(RANDOM_BYTES)).startswith("oc_")
