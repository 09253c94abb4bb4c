"""The tables of labels by which callbacks are found: tags and aliases."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text

from ringback.store.bulk_params import Instant
from ringback.store.tables import metadata

#: Tags by which callbacks are found.
tags = Table(
    "tags",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("callback_id", Text, ForeignKey("callbacks.id"), primary_key=True),
)

#: The aliases that callbacks have or had. An alias is in use while its newest row, the one that is
#: not taken over, leads to a callback that is not closed: closing a callback writes nothing here.
aliases = Table(
    "aliases",
    metadata,
    Column("alias", Text, primary_key=True),
    Column("callback_id", Text, ForeignKey("callbacks.id"), primary_key=True),
    Column("namespace", Text, nullable=False),
    #: When another callback got the alias.
    Column("taken_over_at", Instant),
)

Index("ix_tags_callback", tags.c.callback_id)
_is_newest = aliases.c.taken_over_at.is_(None)
Index(
    "ix_aliases_newest",
    aliases.c.alias,
    aliases.c.namespace,
    unique=True,
    sqlite_where=_is_newest,
    postgresql_where=_is_newest,
)
Index("ix_aliases_callback", aliases.c.callback_id)
