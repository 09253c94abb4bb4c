"""A subject's digest names one version of it."""

from typing import Any

import pytest

from ringback.domain.subject import Subject, changed_parts

REFUND = Subject("Refund 42?", "A *big* one", {"euros": 10, "to": {"name": "Ada"}})


def test_digest_is_32_hex_digits_and_stays_the_same() -> None:
    assert REFUND.digest == "82a362f7512958a5136252f9d2316de5"


def test_order_of_details_does_not_change_the_digest() -> None:
    other = Subject(REFUND.title, REFUND.description, {"to": {"name": "Ada"}, "euros": 10})

    assert other.digest == REFUND.digest


@pytest.mark.parametrize(
    ("other", "changed"),
    [
        (Subject("Refund 43?", REFUND.description, REFUND.details), ["title"]),
        (Subject(REFUND.title, None, REFUND.details), ["description"]),
        (Subject(REFUND.title, REFUND.description, {**REFUND.details, "euros": 11}), ["euros"]),
        (Subject(REFUND.title, REFUND.description, {"euros": 10}), ["to"]),
        (Subject(REFUND.title, REFUND.description, {**REFUND.details, "new": None}), ["new"]),
        (Subject(None, None, {}), ["title", "description", "euros", "to"]),
    ],
)
def test_each_change_has_another_digest_and_is_named(other: Subject, changed: list[str]) -> None:
    names = [one if one in {"title", "description"} else f"details.{one}" for one in changed]

    assert other.digest != REFUND.digest
    assert changed_parts(REFUND, other) == names
    assert changed_parts(other, REFUND) == names


def test_equal_subjects_have_no_changed_parts() -> None:
    assert changed_parts(REFUND, Subject(REFUND.title, REFUND.description, REFUND.details)) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"title": "ab", "description": None}, {"title": "a", "description": "b"}),
        ({"title": "x"}, {"description": "x"}),
        ({"details": {"a": "1"}}, {"details": {"a": 1}}),
        ({"details": {"a": None}}, {"details": {}}),
    ],
)
def test_similar_subjects_have_different_digests(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert Subject(**one).digest != Subject(**other).digest


def test_repr_hides_the_details() -> None:
    assert "Ada" not in repr(REFUND)
