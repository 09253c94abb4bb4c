"""What the routes of the operator API call."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol, TypeAlias, cast

from fastapi import Depends, Request

from ringback.core.answers import AnswerService
from ringback.core.api_auth import Authorizer
from ringback.core.heartbeats import HeartbeatService
from ringback.core.opening import CallbackOpener, OpenService
from ringback.core.operations import OperatorService, link_to
from ringback.domain.callback import Callback
from ringback.domain.errors import Problem
from ringback.domain.ids import CallbackId
from ringback.domain.link import Keyring
from ringback.gateway.receipts import Receipts
from ringback.ports.clock import Clock
from ringback.ports.store import CallbackIndex, CallbackStore

CheckSchema = Callable[[str], Awaitable[str | None]]
"""Returns what is wrong with a result schema; `None` if nothing is."""

Validate = Callable[[str, bytes | None], Awaitable[Sequence[Problem]]]
"""Returns what is wrong with a result, by the result schema of its callback."""


class ReadableStore(CallbackStore, CallbackIndex, Protocol):
    """Where callbacks are found and listed."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes of the operator API call.

    Attributes:
        authorizing: Checks API keys.
        asking: Opens callbacks.
        opening: Records submissions.
        accepting: Accepts outcomes.
        heartbeating: Accepts heartbeats.
        receipts: Replies to answers.
        operating: Moves deadlines, revokes links, redelivers.
        store: Finds and lists callbacks.
        keyring: Signs links.
        clock: Dates new links.
        check_schema: Checks result schemas.
        validate: Checks results.
        public_url: The URL of this gateway for senders, without a slash at its end.
        body_limit: The largest body of one answer, in bytes.
        version: The version of Ringback.
        namespace: The Temporal namespace that the gateway serves.
    """

    authorizer: Authorizer
    open_service: OpenService
    opener: CallbackOpener
    answer_service: AnswerService
    heartbeat_service: HeartbeatService
    receipts: Receipts
    operator_service: OperatorService
    store: ReadableStore
    keyring: Keyring
    clock: Clock
    check_schema: CheckSchema
    validate: Validate = field(repr=False)
    public_url: str
    body_limit: int
    version: str
    namespace: str

    def own_link(self, callback: Callback) -> str:
        """Return the URL of the activity's own link to `callback`."""
        return self.keyring.url(self.public_url, link_to(callback, key_id=callback.key_id))

    async def schema_of(self, callback: Callback) -> str | None:
        """Return the JSON Schema of the result of `callback`; `None` if any JSON will do.

        Raises:
            StoreUnavailableError: It could not be read; try again.
        """
        if callback.schema_id is None:
            return None
        return (await self.store.schemas([callback.schema_id]))[callback.schema_id]

    def status_url(self, callback_id: CallbackId) -> str:
        """Return the URL at which the operator API shows a callback."""
        return f"{self.public_url}/v1/callbacks/{callback_id}"


def services_of(request: Request) -> Services:
    """Return the services of the application that handles `request`."""
    return cast("Services", request.app.state.services)


Injected: TypeAlias = Annotated[Services, Depends(services_of)]
"""A parameter of a route: the services."""
