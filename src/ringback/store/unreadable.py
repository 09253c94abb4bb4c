"""Rows that cannot be read: each is left out of its batch, and reported once.

A value that this version does not know, broken JSON, or an instant out of range spoils one row.
Whoever reads many rows goes on with the others.
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

_failures: Final = FailureLog(logging.getLogger(__name__), "read a stored row, which is left out")


class _Unreadable:
    """What stands in a row for a value that its column's type cannot read."""


UNREADABLE: Final = _Unreadable()
"""The drivers read all rows of a result at once: an error there would lose all of them."""


def read_json(text: Any) -> object:
    """Return the value of JSON text, or `UNREADABLE`."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return UNREADABLE


class RowTypes:
    """The Python types of the values of a row."""

    def __init__(
        self, columns: Collection[Column[Any]], joined: Collection[Column[Any]] = ()
    ) -> None:
        """Derive the types from `columns`, and from those that are `joined` where there is a row.

        JSON is an object, but for tags.
        """
        self._names: list[str] = []
        self._types: list[tuple[type, ...]] = []
        required = {column for column in columns if not column.nullable}
        for column in chain(columns, joined):
            kind = column.type.python_type
            if isinstance(column.type, JSON):
                kind = list if column.name == "tags" else dict
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
            msg = f"the value of the column {next(wrong)} cannot be read"
            raise ValueError(msg)


def read_rows(
    rows: Iterable[AnyRow], build: Callable[[AnyRow], T], *, key: str = "callback_id"
) -> tuple[list[T], list[AnyRow]]:
    """Return what `build` makes of the rows that it can read, and the rows that it cannot.

    Each unreadable row is logged, by the value of its column `key`.
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
