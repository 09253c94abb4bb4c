"""What every route calls."""

from dataclasses import dataclass
from typing import Annotated, Protocol, TypeAlias, cast

from fastapi import Depends, Request

from ringback.core.answers import AnswerService
from ringback.core.api_auth import Authorizer
from ringback.core.heartbeats import HeartbeatService
from ringback.core.opening import CallbackOpener, OpenService
from ringback.core.operations import OperatorService, link_to
from ringback.core.status import StatusService
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.callback import Callback
from ringback.domain.errors import UnknownCallbackError
from ringback.domain.ids import CallbackId
from ringback.domain.link import Keyring, Link, Verb
from ringback.gateway.health import Health
from ringback.gateway.rare_warnings import UnknownKeyLog
from ringback.ports.clock import Clock
from ringback.ports.results import ResultChecker
from ringback.ports.store import CallbackIndex, CallbackStore


class ResultSchemas(ResultChecker, Protocol):
    """Checks results and result schemas."""

    async def why_unusable(self, schema: str) -> str | None:
        """Return what is wrong with a result schema; `None` if nothing is."""


class ReadableStore(CallbackStore, CallbackIndex, Protocol):
    """Finds and lists callbacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What every route calls.

    Attributes:
        keyring: Signs and verifies links.
        public_url: The URL of this gateway for senders, without a trailing slash.
        body_limit: Maximum bytes of one answer.
        version: The version of Ringback.
        namespace: The Temporal namespace that the gateway serves.
    """

    answer_service: AnswerService
    heartbeat_service: HeartbeatService
    status_service: StatusService
    open_service: OpenService
    opener: CallbackOpener
    operator_service: OperatorService
    authorizer: Authorizer
    verdicts: VerdictWaiter
    store: ReadableStore
    keyring: Keyring
    clock: Clock
    results: ResultSchemas
    health: Health
    unknown_keys: UnknownKeyLog
    public_url: str
    body_limit: int
    version: str
    namespace: str

    def verify(self, link: str, verb: Verb) -> Link:
        """Return the content of `link`.

        Raises:
            UnknownCallbackError: The link is invalid, has expired, or does not allow `verb`.
        """
        try:
            return self.keyring.verify(link, verb=verb, now=self.clock.now())
        except UnknownCallbackError:
            if (key_id := self.keyring.unknown_key_id(link)) is not None:
                self.unknown_keys.report(key_id)
            raise

    def link_url(self, link: str) -> str:
        """Return the URL of a signed link."""
        return f"{self.public_url}/c/{link}"

    def activity_url(self, callback: Callback) -> str:
        """Return the URL of the activity's own link to `callback`."""
        return self.keyring.url(self.public_url, link_to(callback, key_id=callback.key_id))

    def status_url(self, callback_id: CallbackId) -> str:
        """Return the URL at which the operator API shows a callback."""
        return f"{self.public_url}/v1/callbacks/{callback_id}"

    async def find_schema(self, callback: Callback) -> str | None:
        """Return the JSON Schema of the result of `callback`; `None` accepts any JSON.

        Raises:
            StoreUnavailableError: The schema cannot be read; retry.
        """
        if callback.schema_id is None:
            return None
        return (await self.store.schemas([callback.schema_id]))[callback.schema_id]


# FastAPI runs a dependency that is not `async` in a thread, which costs more than most requests.
async def _find_gateway(request: Request) -> Gateway:
    return cast("Gateway", request.app.state.gateway)


GatewayOf: TypeAlias = Annotated[Gateway, Depends(_find_gateway)]
"""A parameter of a route: the gateway."""
