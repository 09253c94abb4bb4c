"""What a gateway is built on, and what encrypts stored bodies."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import ringback
from ringback.app.notifiers import Notifiers
from ringback.core.body_encryption import BodyEncryption
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.services import Service
from ringback.core.sessions import DEFAULT_RULES, SessionRules
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.errors import ConfigurationError
from ringback.domain.ids import CallbackId, EventId, OutcomeId
from ringback.domain.link import Keyring
from ringback.gateway.identity.ways import SignInWays
from ringback.gateway.source_door import KeepOffer
from ringback.instrumentation.prometheus import PrometheusHooks
from ringback.ports.activities import Activities, Heartbeats, Identifier
from ringback.ports.clock import Clock
from ringback.result_schema.checker import SchemaChecker
from ringback.settings import Settings
from ringback.sources.config import Source
from ringback.sources.matching import Fetch
from ringback.sources.queue_config import QueueConfig
from ringback.store.sql_store import SqlStore
from ringback.temporal.body_cipher import CodecCipher
from ringback.temporal.encoder import Encoder, Use


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """What a gateway is built on.

    Attributes:
        check_connection: Raises an error if Temporal cannot be used.
        public_url: The URL of the gateway for senders, without a trailing slash.
        body_limit: Maximum bytes of one answer.
        link_rate: Maximum requests of one link per second, of each kind; 0 is no limit.
        key_rate: Maximum requests with one API key per second; 0 is no limit.
        polls_per_second: Maximum activities that are polled per second.
        jitter: Returns a random number from 0 to 1.
        owner: The name of this process in the claims of the store.
        sign_in_ways: The ways in which people can sign in.
        services: Those of the edges that run in the background.
        notifiers: What notifies people.
        sources: The configured sources, by name.
        queues: The configured queues, by name.
        fetch: Fetches what a provider names, at an address that it is pinned to.
        keep_ended_for: How long what has ended is kept; `None` keeps it forever.
        drop_bodies_after: How long its bodies are kept; `None` keeps them as long.
        counters: The metrics in memory; `hooks` reports to them.
        has_metrics_route: Whether the gateway serves its metrics with its other routes.
        keep_offer: Keeps a secret that the provider of a source offers; returns the file.
        bodies: Encrypts bodies before they are stored.
    """

    store: SqlStore
    activities: Activities
    heartbeats: Heartbeats
    identifier: Identifier
    check_connection: Callable[[], Awaitable[None]]
    namespace: str
    keyring: Keyring
    public_url: str
    body_limit: int
    polls_per_second: int
    clock: Clock
    jitter: Callable[[], float]
    verdicts: VerdictWaiter
    owner: str
    new_callback_id: Callable[[], CallbackId]
    new_outcome_id: Callable[[], OutcomeId]
    new_event_id: Callable[[], EventId]
    sign_in_ways: SignInWays
    session_rules: SessionRules = DEFAULT_RULES
    services: Sequence[Service] = ()
    notifiers: Notifiers = field(default_factory=Notifiers)
    sources: Mapping[str, Source] = field(default_factory=dict)
    queues: Mapping[str, QueueConfig] = field(default_factory=dict)
    fetch: Fetch | None = field(default=None, repr=False)
    keep_offer: KeepOffer | None = field(default=None, repr=False)
    bodies: BodyEncryption | None = None
    keep_ended_for: timedelta | None = None
    drop_bodies_after: timedelta | None = None
    hooks: Hooks = NO_HOOKS
    counters: PrometheusHooks = field(
        default_factory=lambda: PrometheusHooks(ringback.__version__), repr=False
    )
    has_metrics_route: bool = True
    link_rate: int = 0
    key_rate: int = 0
    results: SchemaChecker = field(default_factory=SchemaChecker)


def build_body_encryption(settings: Settings, encoder: Encoder, keyring: Keyring) -> BodyEncryption:
    """Return the encryption by the codec of the converter of `encoder`.

    It decrypts stored bodies even if the settings encrypt no new ones.

    Raises:
        ConfigurationError: Bodies are to be encrypted, and there is no codec.
    """
    if settings.encrypt_bodies and encoder.converter.payload_codec is None:
        msg = (
            "RINGBACK_ENCRYPT_BODIES: the data converter has no payload codec to encrypt with; set"
            " RINGBACK_DATA_CONVERTER to a data converter that has one"
        )
        raise ConfigurationError(msg)
    cipher = CodecCipher(encoder, use=Use.CHECK)
    return BodyEncryption(cipher, keyring, is_on=settings.encrypt_bodies)
