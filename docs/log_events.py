"""Every log event of the code: its name and its levels, found in the sources.

The name of an event is a literal, before the first colon of its message. What cannot be found so
ends the run with an error, as does an event without words in `docs.words`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error")
_METHODS: Final = {**{level: level for level in LEVELS}, "exception": "error", "warn": "warning"}
_LOGGERS: Final = frozenset({"logger", "_logger"})
_LOGS: Final = {"OutageLog": "warning", "FailureLog": "error"}
"""Classes that log `cannot ...`, by the level of their events."""


def find_events(folder: Path) -> dict[str, set[str]]:
    """Return the levels of each event, by its name.

    Raises:
        TypeError: The name of an event is not a literal.
        ValueError: The name of an event contains values.
    """
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        for name, level in _events_of(path):
            found.setdefault(name, set()).add(level)
    return found


def _events_of(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in _METHODS and _logs(called.value):
            yield _name_of(node.args[0], path), _METHODS[called.attr]
        elif isinstance(called, ast.Name) and called.id in _LOGS:
            what = node.args[1]
            # `ClaimLoop` names what it claims.
            if not isinstance(what, ast.JoinedStr):
                yield f"cannot {_name_of(what, path)}", _LOGS[called.id]
        elif isinstance(called, ast.Name | ast.Attribute) and _id(called) == "ClaimLoop":
            (what,) = (one.value for one in node.keywords if one.arg == "what")
            yield f"cannot claim {_name_of(what, path)}", _LOGS["OutageLog"]


def _logs(node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _LOGGERS
    return isinstance(node, ast.Attribute) and node.attr == "_warning"


def _id(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _name_of(node: ast.expr, path: Path) -> str:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        msg = f"{path}:{node.lineno}: the name of a log event must be a literal"
        raise TypeError(msg)
    name = node.value.partition(": ")[0]
    if "%" in name:
        msg = f"{path}:{node.lineno}: the name of a log event must have no values: {name}"
        raise ValueError(msg)
    return name
