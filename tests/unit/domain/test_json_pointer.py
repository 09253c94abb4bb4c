"""A JSON Pointer finds the part of a document that it names."""

from typing import Any

import pytest

from ringback.domain.exact_json import escape_step, resolve

ROOT = {"a": {"b/c": 1, "~": 2, "x y": 3}, "list": [{"d": 4}, 5], "%": 6}


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("#/a/b~1c", 1),
        ("#/a/~0", 2),
        ("#/a/x%20y", 3),
        ("#/%", 6),
        ("#/list/0/d", 4),
        ("#/list/1", 5),
        ("#/list/2", None),
        ("#/list/first", None),
        ("#/list/1/d", None),
        ("#/missing", None),
        ("#anchor", None),
        ("other.json#/a", None),
    ],
)
def test_reference_resolves_to_its_target_or_none(reference: str, target: Any) -> None:
    assert resolve(ROOT, reference) == target


def test_empty_pointer_is_the_whole_document() -> None:
    assert resolve(ROOT, "#") is ROOT


@pytest.mark.parametrize("name", ["a/b", "~", "~1", "plain", ""])
def test_escaped_name_is_one_step(name: str) -> None:
    assert resolve({name: 1}, f"#/{escape_step(name)}") == 1
