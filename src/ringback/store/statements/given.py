"""Rows that a statement takes all at once: SQLite as JSON, PostgreSQL as an array for each column.

A driver that is given rows one by one, or gives them so, lets other threads run in between, and
waits for its turn after each. With 64 rows that costs more than the rest of a commit.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    FromClause,
    LargeBinary,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine


@dataclass(frozen=True, slots=True)
class Given:
    """Rows that are given to a statement.

    Attributes:
        name: What they are called in it.
        columns: What each row has, by name, and its type. JSON is given as text.
    """

    name: str
    columns: Mapping[str, TypeEngine[Any]]

    def values(self, dialect: str, rows: Iterable[Sequence[object]]) -> dict[str, object]:
        """Return `rows`, of which there must be one, as parameters of the statement."""
        if dialect == "sqlite":
            return {self.name: json.dumps(list(rows), default=bytes.decode, ensure_ascii=False)}
        arrays = map(list, zip(*rows, strict=True))
        return dict(zip(map(self._array, self.columns), arrays, strict=True))

    def rows(self, dialect: str) -> FromClause:
        """Return the rows as a table of the statement."""
        columns = self._of_json() if dialect == "sqlite" else self._of_arrays()
        labelled = (one.label(name) for name, one in zip(self.columns, columns, strict=True))
        return select(*labelled).subquery(self.name)

    def _of_json(self) -> Iterable[ColumnElement[Any]]:
        row = func.json_each(bindparam(self.name, type_=Text)).table_valued("value").c.value
        for place, type_ in enumerate(self.columns.values()):
            part = func.json_extract(row, f"$[{place}]", type_=type_)
            yield cast(part, type_) if isinstance(type_, LargeBinary) else part

    def _of_arrays(self) -> Iterable[ColumnElement[Any]]:
        types = {name: _sent_as(type_) for name, type_ in self.columns.items()}
        arrays = (bindparam(self._array(name), type_=ARRAY(one)) for name, one in types.items())
        columns = (column(name, type_) for name, type_ in types.items())
        table = func.unnest(*arrays).table_valued(*columns).render_derived()
        for name, type_ in self.columns.items():
            yield cast(table.c[name], type_) if isinstance(type_, JSON) else table.c[name]

    def _array(self, name: str) -> str:
        # Parameters of an update must not be named as what it sets.
        return f"{self.name}_{name}"


def _sent_as(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    return Text() if isinstance(type_, JSON) else type_
