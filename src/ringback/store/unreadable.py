"""Leave out rows that cannot be read, and log each of them once.

A row is unreadable if it has a value of a newer version, broken JSON, or an instant out of range.
Reads of many rows continue with the others.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

from sqlalchemy import JSON, Column, Row

from ringback.core.services import FailureLog, call_caught

AnyRow = Row[tuple[Any, ...]]

T = TypeVar("T")

_failures: Final = FailureLog(logging.getLogger(__name__), "read a stored row")


class _Unreadable:
    """Marks a value that its column's type cannot read."""


UNREADABLE: Final = _Unreadable()
"""Used instead of an error: drivers convert all rows of a result, and an error would lose all."""


def read_json(text: Any) -> object:
    """Return the value of JSON text, or `UNREADABLE`."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return UNREADABLE


_LISTS: Final = frozenset({"tags", "aliases", "notify", "escalate", "groups"})
"""The columns whose JSON value is an array."""


class RowTypes:
    """The Python types of the values of a row."""

    def __init__(
        self, columns: Collection[Column[Any]], joined: Collection[Column[Any]] = ()
    ) -> None:
        """Use the types of `columns`, and of `joined` columns that may be missing.

        A JSON value is an object, except in the columns of `_LISTS`.
        """
        self._names: list[str] = []
        self._types: list[tuple[type, ...]] = []
        required = {column for column in columns if not column.nullable}
        for column in chain(columns, joined):
            kind = column.type.python_type
            if isinstance(column.type, JSON):
                kind = list if column.name in _LISTS else dict
            self._names.append(column.name)
            self._types.append((kind,) if column in required else (kind, type(None)))

    def check(self, row: Sequence[object]) -> None:
        """Check a row that has exactly these columns.

        Raises:
            ValueError: A value is of another type; the message names its column.
        """
        if not all(map(isinstance, row, self._types)):
            wrong = (
                name
                for name, value, types in zip(self._names, row, self._types, strict=True)
                if not isinstance(value, types)
            )
            msg = f"the column {next(wrong)} has a value of the wrong type"
            raise ValueError(msg)


def read_rows(
    rows: Iterable[AnyRow], build: Callable[[AnyRow], T], *, key: str = "callback_id"
) -> tuple[list[T], list[AnyRow]]:
    """Return what `build` returns for readable rows, and the unreadable rows.

    Each unreadable row is logged with the value of its column `key`.
    """
    values: list[T] = []
    unreadable: list[AnyRow] = []
    for row in rows:
        value = call_caught(build, row)
        if isinstance(value, Exception):
            _failures.report(getattr(row, key), value)
            unreadable.append(row)
        else:
            values.append(value)
    return values, unreadable
