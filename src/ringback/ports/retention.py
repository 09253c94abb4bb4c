"""What retention needs of the store: find what has ended, export it, delete it.

The promises of `ringback.ports.store` hold here too.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, Protocol


class RecordKind(Enum):
    """What ends and is deleted some time later."""

    CALLBACKS = "callbacks"
    EVENTS = "events"
    """What sources sent, with the events in it."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of what has ended, oldest first.

    Attributes:
        ids: What ended long enough ago; some of it may have to stay.
        after: Where the next window begins; `None` if this one is the last.
    """

    ids: Sequence[str]
    after: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """Something that ended, with all that is stored of it.

    Attributes:
        id: Its id.
        version: Changes whenever something is added to it.
        content: Its rows by table, as plain JSON, without task tokens.
    """

    id: str
    version: int
    content: Mapping[str, Any] = field(repr=False)


class EndedRecords(Protocol):
    """Records of one kind, such as callbacks, that end and are deleted some time later.

    What belongs to a record is deleted with it, in one transaction: no reader sees half of it.
    """

    async def find_ended(self, older_than: timedelta, *, after: str | None, limit: int) -> Window:
        """Return up to `limit` records that ended at least `older_than` ago."""
        ...

    async def export(self, ids: Collection[str]) -> Sequence[Record]:
        """Return all that is stored of those of these records that may be deleted."""
        ...

    async def purge(
        self,
        ids: Collection[str],
        older_than: timedelta,
        *,
        versions: Mapping[str, int] | None = None,
        dry_run: bool = False,
    ) -> Mapping[str, int]:
        """Delete these records; return the number of deleted rows by table.

        A record stays if it ended less than `older_than` ago, if something of it must still happen,
        or if another process works on it now. With `versions`, it also stays unless its version is
        the given one. `dry_run` only counts.
        """
        ...


class Leftovers(Protocol):
    """What is deleted when nobody needs it any more, whatever is kept otherwise."""

    async def purge_sessions(self) -> Mapping[str, int]:
        """Delete sessions and sign-in URLs of people that expired a month ago.

        It returns the number of deleted rows by table.
        """
        ...

    async def purge_schemas(self, *, limit: int) -> tuple[int, int]:
        """Delete result schemas that were not used for a day and that no callback has.

        It looks at up to `limit` schemas, each at most once a day, and returns how many it has
        looked at, and how many of them it has deleted.
        """
        ...


class StoredBodies(Protocol):
    """The bodies of records of one kind, which may be dropped before the records are deleted."""

    async def find_bodies(self, older_than: timedelta, *, after: str | None, limit: int) -> Window:
        """Return up to `limit` records with bodies that ended at least `older_than` ago."""
        ...

    async def drop_bodies(self, ids: Collection[str], older_than: timedelta) -> int:
        """Drop the bodies of those of these records that no longer need them; return how many.

        What is left of an answer recognizes the same answer.
        """
        ...
