"""Lists of texts in statements: one parameter, whatever its length.

A statement with a parameter for each text is another statement for each number of them, and is
compiled and parsed anew. SQLite takes a list as JSON, PostgreSQL as an array.
"""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine


class Texts(TypeDecorator[Collection[str]]):
    """A list of texts."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return what the list is to the database."""
        is_array = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.ARRAY(Text) if is_array else Text())

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> object:
        """Return the list as the driver takes it."""
        assert value is not None, "a list may be empty, but it is there"
        return list(value) if dialect.name == "postgresql" else json.dumps(list(value))


class among(FunctionElement[Any]):  # noqa: N801 - it reads as a function in a statement
    """`among(column, "ids")`: the column's text is one of those of the parameter `ids`."""

    #: Of a Boolean one SQLAlchemy would write that it equals 1, and SQLite would use no index.
    type = NullType()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        """Compare `column` with the list that is given as `name`."""
        super().__init__(column, bindparam(name, type_=Texts))


@compiles(among, "sqlite")
def _as_json(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"  # noqa: S608 - both were compiled


@compiles(among, "postgresql")
def _as_array(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} = ANY({ids})"
