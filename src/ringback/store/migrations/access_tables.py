"""The tables of who may use the gateway: API keys, sessions and sign-in URLs."""

import sqlalchemy as sa
from alembic import op

from ringback.store.migrations.columns import create_index, texts, times


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
