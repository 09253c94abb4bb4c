"""What every route calls."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol, TypeAlias, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request

from ringback.core.aliases import AliasService
from ringback.core.answers import AnswerService
from ringback.core.api_auth import Authorizer
from ringback.core.chat_votes import ChatVoteService
from ringback.core.gauges import GaugeReader
from ringback.core.give_up import GiveUpService
from ringback.core.heartbeats import HeartbeatService
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.inbox import InboxService
from ringback.core.inbox_feed import InboxFeed
from ringback.core.notifications import Notifier
from ringback.core.open_service import OpenService
from ringback.core.opening import CallbackOpener
from ringback.core.operations import OperatorService, link_to
from ringback.core.rate_limit import RequestLimits
from ringback.core.replays import ReplayService
from ringback.core.retention import Retention
from ringback.core.sender_polls import PollReports
from ringback.core.sessions import SessionService
from ringback.core.spans import NO_TRACER, Tracer
from ringback.core.status import StatusService
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.core.votes import VoteService
from ringback.domain.callback import Callback
from ringback.domain.errors import UnknownCallbackError
from ringback.domain.ids import CallbackId
from ringback.domain.link import Keyring, Link, Verb
from ringback.domain.vote_body import to_sent_schema
from ringback.gateway.health import Health
from ringback.gateway.identity.ways import SignInWays
from ringback.gateway.rare_warnings import UnknownKeyLog
from ringback.gateway.source_door import SourceDoor
from ringback.ports.clock import Clock
from ringback.ports.events import EventStore
from ringback.ports.gauges import GaugeStore
from ringback.ports.notifications import NotificationOutbox
from ringback.ports.results import ResultChecker
from ringback.ports.store import CallbackIndex, CallbackStore
from ringback.ports.votes import InboxStore
from ringback.schemas.responses import ResultProblemOut


class ResultSchemas(ResultChecker, Protocol):
    """Checks results and result schemas."""

    async def why_unusable(self, schema: str) -> str | None:
        """Return what is wrong with a result schema; `None` if nothing is."""


class ReadableStore(
    CallbackStore, CallbackIndex, NotificationOutbox, InboxStore, EventStore, GaugeStore, Protocol
):
    """Finds and lists callbacks, the messages about them, and events."""


@dataclass(frozen=True, slots=True)
class SlackDoor:
    """What the route for Slack needs.

    Attributes:
        votes: Counts what people press.
        secrets: The signing secrets, any of which may sign.
    """

    votes: ChatVoteService
    secrets: Sequence[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What every route calls.

    Attributes:
        keyring: Signs and verifies links.
        public_url: The URL of this gateway for senders, without a trailing slash.
        body_limit: Maximum bytes of one answer.
        slack: Counts votes by Slack, if it is configured.
        version: The version of Ringback.
        namespace: The Temporal namespace that the gateway serves.
        gauges: Reads what waits in the store.
        queue_states: Returns whether this process is connected to each queue that it consumes.
        render_metrics: Returns the metrics as text; `None` if they have a port of their own.
        limits: Limits the requests of links and sign-ins.
        tracer: Records requests.
        hooks: What limits and refused answers are reported to.
    """

    answer_service: AnswerService
    alias_service: AliasService
    vote_service: VoteService
    inbox_service: InboxService
    inbox_feed: InboxFeed
    notifier: Notifier
    slack: SlackDoor | None
    heartbeat_service: HeartbeatService
    status_service: StatusService
    open_service: OpenService
    opener: CallbackOpener
    poll_reports: PollReports
    operator_service: OperatorService
    give_up_service: GiveUpService
    authorizer: Authorizer
    verdicts: VerdictWaiter
    store: ReadableStore
    keyring: Keyring
    clock: Clock
    results: ResultSchemas
    health: Health
    unknown_keys: UnknownKeyLog
    limits: RequestLimits
    source_door: SourceDoor
    replay_service: ReplayService
    retention: Retention
    sessions: SessionService
    sign_in_ways: SignInWays
    public_url: str
    body_limit: int
    version: str
    namespace: str
    gauges: GaugeReader
    queue_states: Callable[[], Mapping[str, bool]]
    render_metrics: Callable[[], Awaitable[bytes]] | None = field(repr=False)
    tracer: Tracer = NO_TRACER
    hooks: Hooks = NO_HOOKS

    def verify(self, link: str, verb: Verb) -> Link:
        """Return the content of `link`.

        Raises:
            UnknownCallbackError: The link is invalid, has expired, or does not allow `verb`.
            TooManyRequestsError: It has made too many requests.
        """
        try:
            verified = self.keyring.verify(link, verb=verb, now=self.clock.now())
        except UnknownCallbackError:
            if (key_id := self.keyring.unknown_key_id(link)) is not None:
                self.unknown_keys.report(key_id)
            raise
        # Not before: forged links must not take the places of real ones.
        self.limits.check_link(link, verb)
        return verified

    def local_path(self, path: str) -> str:
        """Return the path of a page for browsers: behind a proxy, the public URL may have a path.

        Args:
            path: The path that a route of this gateway has.
        """
        return urlsplit(self.public_url).path + path

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
        """Return the JSON Schema of what senders send to `callback`; `None` accepts any JSON.

        Where people approve or reject, that is a vote.

        Raises:
            StoreUnavailableError: The schema cannot be read; retry.
        """
        schema_id, policy = callback.schema_id, callback.options.policy
        schema = None if schema_id is None else (await self.store.schemas([schema_id]))[schema_id]
        return to_sent_schema(policy, schema)

    async def find_problems(
        self, callback: Callback, result: bytes | None
    ) -> list[ResultProblemOut]:
        """Return the problems of what a sender sends to `callback`; empty if it fits.

        Raises:
            StoreUnavailableError: The schema cannot be read; retry.
        """
        schema = await self.find_schema(callback)
        found = [] if schema is None else await self.results.problems(schema, result)
        return [ResultProblemOut(pointer=one.path, detail=one.message) for one in found]


# FastAPI runs a dependency that is not `async` in a thread, which costs more than most requests.
async def _find_gateway(request: Request) -> Gateway:
    return cast("Gateway", request.app.state.gateway)


GatewayOf: TypeAlias = Annotated[Gateway, Depends(_find_gateway)]
"""A parameter of a route: the gateway."""


def decision_url(keyring: Keyring, public_url: str, callback: Callback) -> str:
    """Return the URL of the page on which people decide: in the inbox if a link does not decide."""
    policy = callback.options.policy
    if policy is not None and not policy.link_may_decide:
        return f"{public_url}/inbox/{callback.id}"
    return keyring.url(public_url, link_to(callback, key_id=callback.key_id))
