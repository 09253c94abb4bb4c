"""The callback that an activity's author works with."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ringback.domain.alias import Alias
from ringback.domain.errors import NotWiredError
from ringback.domain.ids import CallbackId
from ringback.domain.link import Verb, narrow


class CallbackChanges(Protocol):
    """Changes callbacks through the worker's gateway."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The worker's event loop, for activities that run in threads."""
        ...

    async def add_details(self, callback_id: CallbackId, details: Mapping[str, object]) -> str:
        """Add or replace details of the subject; return its new digest."""
        ...

    async def add_alias(self, callback_id: CallbackId, alias: str) -> None:
        """Let an alias lead to the callback, unless that has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Callback:
    """What an activity sends to the service or person that should answer.

    All attempts of the activity share one id and one link. With `attempts="current"`, each attempt
    has its own.

    Attributes:
        id: `cb_…`; use it as the idempotency key of your request.
        deadline_at: When an answer is too late, in UTC: your deadline or this attempt's timeout.
        is_submitted: Whether this attempt or an earlier one has already submitted.
        url: The link, with which anybody can answer. Keep it out of logs.
    """

    id: CallbackId
    deadline_at: datetime | None
    is_submitted: bool
    url: str = field(repr=False)
    _changes: CallbackChanges | None = field(default=None, repr=False, compare=False)

    def url_for(self, verb: Verb, *more: Verb) -> str:
        """Return a link that allows only these verbs.

        Example:
            >>> callback.url_for(Verb.HEARTBEAT, Verb.VIEW)
            'https://…/c/…'
        """
        return narrow(self.url, {verb, *more})

    async def add_details(self, details: Mapping[str, object]) -> None:
        """Add to the details that people see, or replace some of them.

        The subject gets a new digest, earlier votes are removed, and messages show the new version.
        The same details again change nothing.

        Args:
            details: Plain JSON.

        Raises:
            GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
            GatewayRefusedError: The details are too large, or the callback has an answer already.
            NotWiredError: No worker made this callback.

        Example:
            >>> await callback.add_details({"risk": "low"})
        """
        await self._wired().add_details(self.id, details)

    def add_details_sync(self, details: Mapping[str, object]) -> None:
        """Do what `add_details` does, in an activity that runs in a thread.

        Raises:
            GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
            GatewayRefusedError: The details are too large, or the callback has an answer already.
            NotWiredError: No worker made this callback.
        """
        changes = self._wired()
        work = changes.add_details(self.id, details)
        asyncio.run_coroutine_threadsafe(work, changes.loop).result()

    async def add_alias(self, alias: str) -> None:
        """Let an alias lead to the callback, for systems that cannot be given the link.

        Use it in `submit` for a key that is known only then. Adding it again changes nothing, and
        so does adding it to a callback that has ended, since nobody needs it then.

        Args:
            alias: 1 to 200 printable characters, such as `github:run:42`.

        Raises:
            AliasInUseError: Another callback that has not ended has it; Temporal retries the
                attempt.
            ValueError: The text cannot be an alias.
            GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
            GatewayRefusedError: The callback has 20 aliases.
            NotWiredError: No worker made this callback.

        Example:
            >>> await callback.add_alias(f"github:run:{run.id}")
        """
        await self._wired().add_alias(self.id, Alias(alias).text)

    def add_alias_sync(self, alias: str) -> None:
        """Do what `add_alias` does, in an activity that runs in a thread.

        Raises:
            AliasInUseError: Another callback that has not ended has it; Temporal retries the
                attempt.
            ValueError: The text cannot be an alias.
            GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
            GatewayRefusedError: The callback has 20 aliases.
            NotWiredError: No worker made this callback.
        """
        changes = self._wired()
        work = changes.add_alias(self.id, Alias(alias).text)
        asyncio.run_coroutine_threadsafe(work, changes.loop).result()

    def _wired(self) -> CallbackChanges:
        if self._changes is None:
            msg = "this callback was made by a test, so there is no gateway to change it"
            raise NotWiredError(msg)
        return self._changes
