"""What a gateway is built on: the store, Temporal, the keys of links, time and chance."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.services import Service
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.link import Keyring
from ringback.ports.activities import Activities, Heartbeats, Identifier
from ringback.ports.clock import Clock
from ringback.result_schema.checker import SchemaChecker
from ringback.store.sql_store import SqlStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """What a gateway is built on.

    Attributes:
        store: Keeps the callbacks.
        activities: Temporal's side of callbacks.
        heartbeats: Sends heartbeats to Temporal.
        identifier: Finds the attempt that a worker names.
        check_connection: Raises why Temporal cannot be used, a `TemporalUnreachableError` or a
            `TemporalMisconfiguredError`.
        namespace: The namespace of Temporal.
        keyring: Signs and verifies links.
        public_url: The start of every link.
        body_limit: The bytes of the largest body.
        polls_per_second: How many activities are polled in a second.
        clock: Dates everything.
        jitter: Chance, from 0 to 1.
        verdicts: Wakes the requests of this process that wait for a verdict.
        owner: The name of this process in claims.
        new_callback_id: Makes the id of a callback.
        new_outcome_id: Makes the id of an outcome.
        services: What of these runs in the background.
        hooks: Hears what is committed.
        results: Checks results against schemas.
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
    services: Sequence[Service] = ()
    hooks: Hooks = NO_HOOKS
    results: SchemaChecker = field(default_factory=SchemaChecker)
