"""Options that cannot be stored are rejected, in Python and over HTTP."""

from collections.abc import Mapping
from typing import Any

import pytest

from ringback.domain.options import MOST_METADATA_BYTES, check_option
from ringback.worker.options import to_options

FRAME = len('{"a":""}')
KEPT: Mapping[str, Any] = {
    "title": "Größe 🎉",
    "tags": ["x" * 64] * 20,
    "metadata": {"a": ["b", {"c": "x" * (MOST_METADATA_BYTES - 50)}], "n": 1.5, "no": None},
    "notify_url": "https://outside.example/hook",
}


def test_valid_options_are_accepted() -> None:
    assert to_options(object, **KEPT).metadata == KEPT["metadata"]


@pytest.mark.parametrize("bad", ["a\x00b", "\ud83c"], ids=["NUL", "half a sign"])
@pytest.mark.parametrize("where", ["title", "tags", "metadata", "its names", "inside it"])
def test_text_that_no_database_stores_is_rejected(where: str, bad: str) -> None:
    options: dict[str, dict[str, Any]] = {
        "title": {"title": bad},
        "tags": {"tags": ["vip", bad]},
        "metadata": {"metadata": {"a": bad}},
        "its names": {"metadata": {bad: 1}},
        "inside it": {"metadata": {"a": [{"b": (1, bad)}]}},
    }

    with pytest.raises(ValueError, match="no database stores"):
        to_options(object, **options[where])


@pytest.mark.parametrize(
    "options",
    [
        {"metadata": {"a": "x" * MOST_METADATA_BYTES}},
        {"metadata": {"a": "ä" * (MOST_METADATA_BYTES // 2)}},
        {"notify_url": "https://outside.example/" + "x" * 1000},
        {"tags": ["x"] * 21},
        {"title": "x" * 201},
    ],
    ids=["metadata", "metadata in bytes", "url", "tags", "title"],
)
def test_option_that_is_too_long_is_rejected(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at most"):
        to_options(object, **options)


@pytest.mark.parametrize("sign", ["x", "é", "🎉"])
def test_metadata_is_measured_in_bytes_of_json(sign: str) -> None:
    each = len(sign.encode())
    fits = sign * ((MOST_METADATA_BYTES - FRAME) // each)

    check_option("metadata", {"a": fits})
    with pytest.raises(ValueError, match="at most 16384 bytes"):
        check_option("metadata", {"a": fits + sign})


def test_metadata_that_is_too_long_is_rejected_in_the_activity() -> None:
    with pytest.raises(ValueError, match="metadata must have at most"):
        to_options(object, metadata={"a": ["x" * 1000] * 20})


@pytest.mark.parametrize(
    ("channels", "why"),
    [
        ("mail", "must be a list"),
        (["mail"] * 21, "at most 20 channels"),
        ([""], "1 to 200 characters"),
        (["x" * 201], "1 to 200 characters"),
        (["slack:\x00"], "no database stores"),
    ],
    ids=["text", "many", "empty", "long", "NUL"],
)
def test_channels_that_cannot_be_stored_are_rejected(channels: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_option("notify", channels)


def test_valid_channels_are_accepted() -> None:
    check_option("notify", ["mail", "slack:#finance"])


@pytest.mark.parametrize("name", ["title", "description"])
def test_missing_text_is_accepted(name: str) -> None:
    check_option(name, None)
