"""Columns and indexes that migrations repeat."""

import sqlalchemy as sa
from alembic import op


def texts(*names: str, nullable: bool = False) -> list[sa.Column[str]]:
    """Return columns of texts."""
    return [sa.Column(name, sa.Text, nullable=nullable) for name in names]


def times(*names: str, nullable: bool = True) -> list[sa.Column[int]]:
    """Return columns of instants."""
    return [sa.Column(name, sa.BigInteger, nullable=nullable) for name in names]


def create_index(
    name: str, table: str, *columns: str, where: str | None = None, unique: bool = False
) -> None:
    """Create an index, of the rows for which `where` holds."""
    of = None if where is None else sa.text(where)
    op.create_index(name, table, list(columns), unique=unique, sqlite_where=of, postgresql_where=of)
