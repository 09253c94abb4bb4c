"""Who keeps an activity alive, what the outside is told, and what operators see and may do."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NOT_CLOSED = "closed_at IS NULL"


def upgrade() -> None:
    """Add what a callback knows from now on, and the tables beside it."""
    _tell_about()
    _add_vitals()
    _add_tags()
    _add_notices()
    _add_keys()
    _index_pages()


def _tell_about() -> None:
    serial = sa.Column("link_serial", sa.Integer, nullable=False, server_default="1")
    op.add_column("callbacks", serial)
    op.add_column("callbacks", sa.Column("title", sa.Text))
    op.add_column("callbacks", sa.Column("tags", sa.JSON, nullable=False, server_default="[]"))
    metadata = sa.Column("metadata", sa.JSON, nullable=False, server_default="{}")
    op.add_column("callbacks", metadata)
    op.add_column("callbacks", sa.Column("cancel_url", sa.Text))
    op.add_column("callbacks", sa.Column("notify_url", sa.Text))


def _add_vitals() -> None:
    by = sa.Column("heartbeat_by", sa.Text, nullable=False, server_default="outside")
    op.add_column("callbacks", by)
    op.add_column("callbacks", sa.Column("details", sa.LargeBinary))
    for name in ("heartbeat_timeout", "noted_at", "beaten_at", "beat_due_at", "beat_held_until"):
        op.add_column("callbacks", sa.Column(name, sa.BigInteger))
    look_due_at = sa.Column("look_due_at", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("callbacks", look_due_at)
    # All are due at once, but one after the other: the oldest first.
    op.execute("UPDATE callbacks SET look_due_at = opened_at WHERE closed_at IS NULL")
    op.add_column("callbacks", sa.Column("look_held_until", sa.BigInteger))
    for name in ("cancel_within", "cancel_requested_at", "paused_at", "reset_at"):
        op.add_column("callbacks", sa.Column(name, sa.BigInteger))
    beats = f"{_NOT_CLOSED} AND beat_due_at IS NOT NULL"
    _add_index("ix_callbacks_beat_due", "callbacks", "beat_due_at", where=beats)
    _add_index("ix_callbacks_look_due", "callbacks", "look_due_at", "id", where=_NOT_CLOSED)
    _add_index("ix_callbacks_run", "callbacks", "run_id", where=_NOT_CLOSED)


def _add_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), primary_key=True),
    )
    op.create_index("ix_tags_callback", "tags", ["callback_id"])


def _add_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("callback_id", sa.Text, sa.ForeignKey("callbacks.id"), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("trouble", sa.Text),
    )
    _add_index("ix_notices_due", "notices", "due_at", where="ended_at IS NULL")
    op.create_index("ix_notices_callback", "notices", ["callback_id"])


def _add_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
    )


def _index_pages() -> None:
    op.add_column("outcomes", sa.Column("after_event", sa.BigInteger))
    op.create_index("ix_outcomes_state", "outcomes", ["state", "callback_id"])
    # Beside the one above, SQLite would not take it as it was.
    op.drop_index("ix_outcomes_due", "outcomes")
    due = ("state", "due_at", "callback_id")
    _add_index("ix_outcomes_due", "outcomes", *due, where="state = 'accepted'")
    op.create_index("ix_callbacks_workflow", "callbacks", ["workflow_id", "id"])
    _add_index("ix_callbacks_expired", "callbacks", "id", where="expired_because IS NOT NULL")


def _add_index(name: str, table: str, *columns: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, list(columns), sqlite_where=condition, postgresql_where=condition)
