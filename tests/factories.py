"""Makes values and fills in everything that a test does not care about."""

from datetime import UTC, datetime, timedelta
from itertools import count

from ringback.domain.callback import ActivityRef, Wish
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.link import ALL_VERBS, KEY_BYTES, Keyring, Link, Verb
from ringback.domain.outcome import Completed, Outcome
from ringback.ports.store import Answer

NOW = datetime(2030, 1, 1, tzinfo=UTC)

_numbers = count(1)


def callback_id() -> CallbackId:
    return CallbackId(f"cb_{next(_numbers):08}")


def activity_ref(
    *, workflow_id: str | None = None, activity_id: str = "1", scheduled_at: datetime = NOW
) -> ActivityRef:
    return ActivityRef(
        namespace="default",
        workflow_id=workflow_id or f"workflow-{next(_numbers)}",
        run_id="6a3f",
        activity_id=activity_id,
        scheduled_at=scheduled_at,
    )


def wish(
    *,
    ref: ActivityRef | None = None,
    attempt: int = 1,
    deadline_at: datetime | None = None,
) -> Wish:
    return Wish(
        id=callback_id(),
        ref=ref or activity_ref(),
        workflow_type="Order",
        activity_type="charge",
        task_queue="orders",
        attempt=attempt,
        deadline_at=deadline_at,
        verbs=ALL_VERBS,
        key_id="k1",
        link_expires_at=NOW + timedelta(days=365),
    )


def answer(to: CallbackId, outcome: Outcome | None = None) -> Answer:
    return Answer(to, OutcomeId(f"oc_{next(_numbers)}"), outcome or Completed(b'{"ok":true}'))


def keyring(*key_ids: str, signing: str = "k1") -> Keyring:
    keys = {key_id: key_id.encode().ljust(KEY_BYTES, b".") for key_id in key_ids or ("k1",)}
    return Keyring(keys, signing=signing)


def link(
    *,
    to: CallbackId | None = None,
    verbs: frozenset[Verb] = ALL_VERBS,
    expires_at: datetime = NOW + timedelta(days=1),
    key_id: str = "k1",
) -> Link:
    return Link(to or callback_id(), verbs, expires_at, key_id)
