"""Columns, indexes and groups of tables that migrations create."""

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


def create_access_tables() -> None:
    """Create the tables and indexes of API keys, sessions and sign-in URLs."""
    _create_api_keys()
    _create_sessions()
    _create_sign_in_urls()


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, primary_key=True),
        *texts("name", "role"),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        *times("created_at", nullable=False),
        *times("revoked_at"),
    )


def _person_columns() -> list[sa.Column[object]]:
    return [
        *texts("user", "name"),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("is_admin", sa.Boolean, nullable=False),
        *texts("proof_source"),
    ]


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        *_person_columns(),
        *texts("owner", "user_agent"),
        *times("created_at", "seen_at", "expires_at", nullable=False),
        *times("revoked_at"),
    )
    create_index("ix_sessions_owner", "sessions", "owner")
    create_index("ix_sessions_expires", "sessions", "expires_at")


def _create_sign_in_urls() -> None:
    op.create_table(
        "sign_in_urls",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        *_person_columns(),
        *times("created_at", "expires_at", nullable=False),
        *times("used_at"),
    )
    create_index("ix_sign_in_urls_expires", "sign_in_urls", "expires_at")


_WAITS = "due_at IS NOT NULL"


def create_source_tables() -> None:
    """Create the tables and indexes of deliveries and their events."""
    op.create_table(
        "source_deliveries",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        *texts("source"),
        *texts("delivery_key", nullable=True),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.LargeBinary),
        *times("received_at", nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("delivery_id", sa.Text, sa.ForeignKey("source_deliveries.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        *texts("namespace", "source"),
        *times("received_at", nullable=False),
        *texts("state"),
        *texts("action", "alias", nullable=True),
        sa.Column("body", sa.LargeBinary),
        *times("waits_until", nullable=False),
        *times("due_at"),
        sa.Column("tries", sa.Integer, nullable=False),
        *texts("reason", "callback_id", nullable=True),
        *times("ended_at"),
    )
    with_body = "body IS NOT NULL"
    create_index("ix_source_deliveries_with_body", "source_deliveries", "id", where=with_body)
    create_index("ix_events_due", "events", "due_at", "received_at", where=_WAITS)
    create_index("ix_events_alias", "events", "alias", where=_WAITS)
    create_index("ix_events_delivery", "events", "delivery_id", "position")
    create_index("ix_events_source", "events", "source", "id")
    create_index("ix_events_callback", "events", "callback_id", "id")
