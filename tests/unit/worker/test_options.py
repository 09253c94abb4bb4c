"""Options that cannot be used are rejected at the call, before anything is stored."""

from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.options import CallbackOptions
from ringback.worker.options import to_options

TOO_LONG = timedelta(days=9_999_999)


def options(name: str, value: Any) -> CallbackOptions:
    """Return options with one value that its type may not allow."""
    return to_options(object, **{name: value})


@pytest.mark.parametrize("name", ["deadline", "cancel_within"])
@pytest.mark.parametrize("value", [timedelta(0), timedelta(seconds=-1), TOO_LONG, timedelta.max])
def test_impossible_duration_is_rejected(name: str, value: timedelta) -> None:
    with pytest.raises(ValueError, match=f"{name} must be longer than zero and at most 3650 days"):
        options(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attempts", "all"),
        ("heartbeat", "nobody"),
        ("title", "x" * 201),
        ("title", "\x00"),
        ("assignees", []),
        ("tags", "one word"),
        ("tags", [""]),
        ("tags", ["x"] * 21),
        ("cancel_url", "ftp://example.com"),
        ("notify_url", "example.com"),
    ],
)
def test_impossible_option_is_rejected(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name.removesuffix("s")):
        options(name, value)


@pytest.mark.parametrize("name", ["deadline", "cancel_within"])
def test_duration_that_is_not_a_timedelta_is_rejected(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a timedelta"):
        options(name, 60)


def test_longest_duration_is_accepted() -> None:
    assert to_options(object, deadline=timedelta(days=3650)).deadline == timedelta(days=3650)
