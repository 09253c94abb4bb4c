"""What names an attempt, deadlines with a default answer, and the schema of a result."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a callback and its outcome know from now on."""
    op.create_table(
        "schemas",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )
    _name_the_attempt()
    _add_deadlines()
    _add_options()
    _tell_of_outcomes()


def _name_the_attempt() -> None:
    started_at = sa.Column("attempt_started_at", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("callbacks", started_at)
    op.add_column("callbacks", sa.Column("task_token", sa.LargeBinary))
    # The attempt that asked last had started by then; any that asks from now on started later.
    op.execute("UPDATE callbacks SET attempt_started_at = opened_at")


def _add_deadlines() -> None:
    op.alter_column("callbacks", "deadline_at", new_column_name="timeout_at")
    op.add_column("callbacks", sa.Column("answer_by", sa.BigInteger))
    op.add_column("callbacks", sa.Column("default_due_at", sa.BigInteger))
    op.add_column("callbacks", sa.Column("on_deadline_kind", sa.Text))
    op.add_column("callbacks", sa.Column("on_deadline_body", sa.LargeBinary))
    op.add_column("callbacks", sa.Column("on_deadline_fields", sa.JSON))
    has_default = sa.text("closed_at IS NULL AND default_due_at IS NOT NULL")
    op.create_index(
        "ix_callbacks_default_due",
        "callbacks",
        ["default_due_at"],
        sqlite_where=has_default,
        postgresql_where=has_default,
    )


def _add_options() -> None:
    attempts = sa.Column("attempts", sa.Text, nullable=False, server_default="any")
    op.add_column("callbacks", attempts)
    follows = sa.Column("follows_reset", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("callbacks", follows)
    op.add_column("callbacks", sa.Column("schema_id", sa.Text))


def _tell_of_outcomes() -> None:
    is_default = sa.Column("is_default", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("outcomes", is_default)
    op.add_column("outcomes", sa.Column("unproven_attempt", sa.Integer))
    op.add_column("outcomes", sa.Column("unproven_started_at", sa.BigInteger))
    op.add_column("outcomes", sa.Column("untaken_started_at", sa.BigInteger))
