"""Instants and durations as whole microseconds; lists of texts, and rows, as one parameter.

SQLite takes both as JSON. PostgreSQL takes a list as an array, and rows as one array per column.

With one parameter per text, every number of texts would be another statement to compile and parse.
A driver that receives rows one by one lets other threads run between two rows: for 64 rows that
takes longer than the rest of a commit.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Dialect,
    FromClause,
    LargeBinary,
    Text,
    TypeDecorator,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine

from ringback.store.unreadable import UNREADABLE

INSERTS: Final[dict[str, Callable[..., sqlite.Insert | postgresql.Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
"""The `insert` of each dialect, with `ON CONFLICT DO NOTHING`."""


class Texts(TypeDecorator[Collection[str]]):
    """A list of texts."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type of the list in the database."""
        is_array = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.ARRAY(Text) if is_array else Text())

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> object:
        """Return the list as the driver accepts it."""
        assert value is not None, "a list may be empty, but not missing"
        return list(value) if dialect.name == "postgresql" else json.dumps(list(value))


class any_of(FunctionElement[Any]):  # noqa: N801 - it reads as a function in a statement
    """`any_of(column, "ids")`: the column's value is in the list of the parameter `ids`."""

    #: Not Boolean: SQLAlchemy would write `= 1` after it, and SQLite would use no index.
    type = NullType()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        """Compare `column` with the list in the parameter `name`."""
        super().__init__(column, bindparam(name, type_=Texts))


@compiles(any_of, "sqlite")
def _as_json(element: any_of, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608 - both were compiled


@compiles(any_of, "postgresql")
def _as_array(element: any_of, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} = ANY({ids})"


@dataclass(frozen=True, slots=True)
class BulkRows:
    """Rows that a statement receives as a parameter.

    Attributes:
        name: The name of the rows in the statement.
        columns: The name and type of each column. Values of a JSON column are passed as text.
    """

    name: str
    columns: Mapping[str, TypeEngine[Any]]

    def values(self, dialect: str, rows: Iterable[Sequence[object]]) -> dict[str, object]:
        """Return `rows`, at least one, as parameters of the statement."""
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
        # A parameter of an update must not have the name of a column that it sets.
        return f"{self.name}_{name}"


def _sent_as(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    return Text() if isinstance(type_, JSON) else type_


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware instant, stored as whole microseconds since 1970 in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - the base class's
        """Return an instant in microseconds."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002 - the base class's
        """Return a function that reads an instant, or returns `UNREADABLE`."""
        return _read_instant

    @property
    def python_type(self) -> type:
        """The type of an instant."""
        return datetime


def _read_instant(value: Any) -> object:
    try:
        return None if value is None else to_instant(value)
    except (TypeError, OverflowError):
        return UNREADABLE


def to_instant(microseconds: int) -> datetime:
    """Return the instant that an `Instant` stores as `microseconds`."""
    return _EPOCH + microseconds * _MICROSECOND


class Duration(TypeDecorator[timedelta]):
    """A duration, stored as whole microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - the base class's
        """Return a duration in microseconds."""
        return None if value is None else value // _MICROSECOND

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002 - the base class's
        """Return a function that reads a duration, or returns `UNREADABLE`."""
        return _read_duration

    @property
    def python_type(self) -> type:
        """The type of a duration."""
        return timedelta


def _read_duration(value: Any) -> object:
    try:
        return None if value is None else value * _MICROSECOND
    except (TypeError, OverflowError):
        return UNREADABLE
