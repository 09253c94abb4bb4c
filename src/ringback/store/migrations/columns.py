"""Columns and indexes that migrations repeat."""

import sqlalchemy as sa
from alembic import op


def texts(*names: str, nullable: bool = False) -> list[sa.Column[str]]:
    """Return columns of texts."""
    return [sa.Column(name, sa.Text, nullable=nullable) for name in names]


def times(*names: str, nullable: bool = True) -> list[sa.Column[int]]:
    """Return columns of instants."""
    return [sa.Column(name, sa.BigInteger, nullable=nullable) for name in names]


def vacuum_early(*tables: str) -> None:
    """Let PostgreSQL vacuum these tables when 1 % of their rows changed, not 20 %.

    With 10 million rows, two million would be dead before the first run.
    """
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in tables:
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.01,"
            " autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02,"
            " autovacuum_vacuum_cost_limit = 1000)"
        )


def create_index(
    name: str, table: str, *columns: str, where: str | None = None, unique: bool = False
) -> None:
    """Create an index, of the rows for which `where` holds."""
    of = None if where is None else sa.text(where)
    op.create_index(name, table, list(columns), unique=unique, sqlite_where=of, postgresql_where=of)
