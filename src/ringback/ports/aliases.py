"""The store of aliases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ringback.domain.callback import Callback
from ringback.domain.errors import RingbackError
from ringback.domain.ids import CallbackId


@dataclass(frozen=True, slots=True)
class AliasOwner:
    """The callback that has an alias, or that had it last.

    Attributes:
        callback_id: The callback.
        workflow_id: Its workflow; empty for a standalone activity.
        closed_at: When it ended, which freed the alias; `None` while the alias is in use.
    """

    callback_id: CallbackId
    workflow_id: str
    closed_at: datetime | None


class AliasConflictsError(Exception):
    """Some requests to open callbacks cannot get their aliases. Nothing of the call was stored.

    Attributes:
        errors: Why, by the `OpenRequest.id` of each of these requests.
    """

    def __init__(self, errors: Mapping[CallbackId, RingbackError]) -> None:
        super().__init__(f"{len(errors)} requests cannot get their aliases")
        self.errors = errors


class AliasStore(Protocol):
    """What aliases need."""

    async def find_aliases(
        self, namespace: str, aliases: Sequence[str]
    ) -> Mapping[str, AliasOwner]:
        """Return who has each alias, or had it last; nothing for those that nobody ever had."""
        ...

    async def add_alias(
        self, callback_id: CallbackId, alias: str, *, by: str | None = None
    ) -> Callback | None:
        """Give a callback an alias unless it has ended; return the callback afterwards.

        `None` means that the callback does not exist. One that has the alias already is unchanged.
        The entry of the audit trail names the API key `by`, if any.

        Raises:
            AliasInUseError: Another callback that has not ended has the alias.
            ValueError: The callback has as many aliases as it may have.
        """
        ...

    async def remove_alias(
        self, callback_id: CallbackId, alias: str, *, by: str | None = None
    ) -> Callback | None:
        """Take an alias from a callback, in every state; return the callback afterwards.

        `None` means that the callback does not exist. One without the alias is unchanged.
        """
        ...
