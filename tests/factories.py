"""Create values, with defaults for everything that a test does not care about."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from ringback.core.answers import AnswerService
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.validation import AnswerValidator
from ringback.core.vote_checks import Ledger
from ringback.core.votes import VoteService
from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import ActivityExecution, Callback, State
from ringback.domain.event import EventState
from ringback.domain.ids import CallbackId, EventId, OutcomeId
from ringback.domain.link import ALL_VERBS, KEY_BYTES, Keyring, Link, Verb
from ringback.domain.opening import OpenRequest, RunningAttempt
from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import Completed, Outcome
from ringback.domain.webhook import Webhook, webhooks_for
from ringback.ports.activities import Activities
from ringback.ports.deliveries import Postponement, Settlement
from ringback.ports.events import NewEvent
from ringback.ports.store import Answer, Expiry
from ringback.store.sql_store import SqlStore
from ringback.testing import ExactResults, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase

NOW = datetime(2030, 1, 1, tzinfo=UTC)

_numbers = count(1)


async def opened(request: OpenRequest) -> Callback:
    """Return the callback that a new store opens for `request`."""
    with InMemoryDatabase(ManualClock()) as database:
        (callback,) = await SqlStore(database).open([request])
    return callback


def answer_service(
    store: Ledger,
    activities: Activities,
    *,
    new_outcome_id: Callable[[], OutcomeId] | None = None,
    on_accepted: Callable[[], None] = lambda: None,
    hooks: Hooks = NO_HOOKS,
) -> AnswerService:
    """Return a service that accepts answers and votes."""
    checks = AnswerValidator(store, activities, ExactResults())
    new_id = new_outcome_id or outcome_id
    votes = VoteService(store, checks, new_outcome_id=new_id, on_accepted=on_accepted, hooks=hooks)
    return AnswerService(
        store, checks, votes, new_outcome_id=new_id, on_accepted=on_accepted, hooks=hooks
    )


def callback_id() -> CallbackId:
    return CallbackId(f"cb_{next(_numbers):08}")


def event_id() -> EventId:
    return EventId(f"ev_{next(_numbers):08}")


def waiting_event(alias: str, body: bytes = b"1") -> NewEvent:
    hour = timedelta(hours=1)
    return NewEvent(event_id(), EventState.WAITING, Verb.COMPLETE, alias, body, wait=hour)


def dead_event(reason: str = "rules[0].key: it must be a text") -> NewEvent:
    return NewEvent(event_id(), EventState.DEAD, reason=reason)


def activity_ref(
    *,
    namespace: str = "default",
    workflow_id: str | None = None,
    run_id: str = "6a3f",
    activity_id: str = "1",
    scheduled_at: datetime = NOW,
) -> ActivityExecution:
    return ActivityExecution(
        namespace=namespace,
        workflow_id=workflow_id or f"workflow-{next(_numbers)}",
        run_id=run_id,
        activity_id=activity_id,
        scheduled_at=scheduled_at,
    )


def request(
    *,
    ref: ActivityExecution | None = None,
    attempt: int = 1,
    attempt_started_at: datetime | None = None,
    task_token: bytes | None = b"a task token",
    attempt_timeout_at: datetime | None = None,
    result_schema: str | None = None,
    heartbeat_timeout: timedelta | None = None,
    **options: Any,
) -> OpenRequest:
    # By default, attempt 2 starts a second after attempt 1, and so on.
    return OpenRequest(
        id=callback_id(),
        attempt=RunningAttempt(
            ref=ref or activity_ref(),
            number=attempt,
            started_at=attempt_started_at or NOW + timedelta(seconds=attempt - 1),
            task_token=task_token,
            workflow_type="Order",
            activity_type="charge",
            task_queue="orders",
            timeout_at=attempt_timeout_at,
            heartbeat_timeout=heartbeat_timeout,
        ),
        key_id="k1",
        link_expires_at=NOW + timedelta(days=365),
        options=CallbackOptions(**options),
        result_schema=result_schema,
    )


def request_of(request: OpenRequest, **attempt: Any) -> OpenRequest:
    """Return the same request with another id, of an attempt with these differences."""
    return replace(request, id=callback_id(), attempt=replace(request.attempt, **attempt))


def answer(
    to: CallbackId, outcome: Outcome | None = None, *, link_serial: int | None = None
) -> Answer:
    return Answer(to, outcome_id(), outcome or Completed(b'{"ok":true}'), link_serial)


def outcome_id() -> OutcomeId:
    return OutcomeId(f"oc_{next(_numbers)}")


def expiry(of: Callback, reason: str = "over") -> Expiry:
    """Return the expiry of a callback, based on its current attempt."""
    return Expiry(of.id, of.attempt_started_at, reason)


def settlement(
    of: Callback, verdict: State = State.APPLIED, proof: dict[str, object] | None = None
) -> Settlement:
    return Settlement(of.id, tries(of), verdict, {} if proof is None else proof)


def postponement(
    of: Callback,
    wait: timedelta = timedelta(seconds=1),
    reason: str = "no server",
    *,
    is_not_applied: bool = False,
) -> Postponement:
    return Postponement(of.id, tries(of), wait, reason, is_not_applied=is_not_applied)


def webhook(
    *,
    to: str = "https://outside.example/told",
    kind: AuditKind = AuditKind.EXPIRED,
    facts: dict[str, object] | None = None,
) -> Webhook:
    (made,) = webhooks_for(AuditEntry(callback_id(), NOW, kind, facts or {}), None, to)
    return made


def tries(of: Callback) -> int:
    assert of.accepted is not None, "only a callback with an outcome has tries"
    return of.accepted.tries


def keyring(*key_ids: str, signing: str = "k1") -> Keyring:
    keys = {key_id: key_id.encode().ljust(KEY_BYTES, b".") for key_id in key_ids or ("k1",)}
    return Keyring(keys, signing=signing)


def link(
    *,
    to: CallbackId | None = None,
    verbs: frozenset[Verb] = ALL_VERBS,
    expires_at: datetime = NOW + timedelta(days=1),
    key_id: str = "k1",
    serial: int = 1,
) -> Link:
    return Link(to or callback_id(), verbs, expires_at, key_id, serial)
