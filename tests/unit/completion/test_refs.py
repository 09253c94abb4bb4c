"""Ids are checked when a reference is created."""

import pytest

from ringback.completion.refs import ActivityRef


def test_optional_ids_may_be_omitted() -> None:
    assert ActivityRef("1") == ActivityRef("1", None, None, None)


@pytest.mark.parametrize(
    ("ids", "name"),
    [
        ((1, "workflow"), "activity_id"),
        ((None, "workflow"), "activity_id"),
        (("1", b"workflow"), "workflow_id"),
        (("1", "workflow", 2), "run_id"),
        (("1", "workflow", "run", 3), "namespace"),
    ],
)
def test_id_that_is_not_a_string_is_rejected_by_name(ids: tuple[str, ...], name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a string"):
        ActivityRef(*ids)


@pytest.mark.parametrize(
    ("ids", "name"),
    [
        (("", "workflow"), "activity_id"),
        (("1", ""), "workflow_id"),
        (("1", "workflow", ""), "run_id"),
        (("1", "workflow", "run", ""), "namespace"),
    ],
)
def test_empty_id_is_rejected_by_name(ids: tuple[str, ...], name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is empty"):
        ActivityRef(*ids)
