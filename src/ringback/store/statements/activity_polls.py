"""Statements of keeping callbacks up to date and their activities alive."""

from typing import Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    Update,
    and_,
    bindparam,
    case,
    func,
    select,
    update,
)

from ringback.store.bulk_params import any_of
from ringback.store.queries import CALLBACKS, HAS_OUTCOME, IS_OPEN
from ringback.store.tables import Instant, callbacks

_now: ColumnElement[object] = bindparam("now", type_=Instant)
_is_wanted: ColumnElement[bool] = any_of(callbacks.c.id, "ids")

_nobody_looks: ColumnElement[bool] = callbacks.c.poll_held_until.is_(None) | (
    callbacks.c.poll_held_until <= _now
)

_due_first = (callbacks.c.poll_due_at, callbacks.c.id)

#: What is due and held by nobody else, of which run each is, and whether it is answered; all of
#: them held until the commit.
LOOKS: Final = (
    select(
        callbacks.c.id,
        callbacks.c.namespace,
        callbacks.c.workflow_id,
        callbacks.c.run_id,
        HAS_OUTCOME.label("is_answered"),
    )
    .where(callbacks.c.closed_at.is_(None), callbacks.c.poll_due_at <= _now, _nobody_looks)
    .order_by(*_due_first)
    .limit(bindparam("window", type_=Integer))
    .with_for_update(of=callbacks, key_share=True, skip_locked=True)
)

RUNS_AT_ONCE: Final = 8
"""Of so many runs `OF_RUNS` finds the callbacks."""

_run_ids = [bindparam(f"run_id_{place}", type_=Text) for place in range(RUNS_AT_ONCE)]
_place = case(
    *(
        (
            and_(
                callbacks.c.run_id == run_id,
                callbacks.c.workflow_id == bindparam(f"workflow_id_{place}"),
                callbacks.c.namespace == bindparam(f"namespace_{place}"),
            ),
            place,
        )
        for place, run_id in enumerate(_run_ids)
    )
)

#: The open callbacks of some runs, due or not, run by run and the longest due first.
OF_RUNS: Final = (
    select(callbacks.c.id, _place.label("place"))
    # Not by the workflow: of that there may be thousands that have ended, in earlier runs.
    .where(callbacks.c.run_id.in_(_run_ids), _place.is_not(None), IS_OPEN, _nobody_looks)
    .order_by(_place, *_due_first)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(of=callbacks, key_share=True, skip_locked=True)
)

#: Nothing is learnt of what is answered: where it stands in no claim's way, it is not walked again.
PASS_OVER: Final = (
    update(callbacks).where(_is_wanted).values(poll_due_at=bindparam("never", type_=Instant))
)

HOLD_LOOKS: Final = (
    update(callbacks)
    .where(_is_wanted)
    .values(
        poll_due_at=bindparam("until", type_=Instant),
        poll_held_until=bindparam("until", type_=Instant),
    )
)

#: Whom a heartbeat keeps alive: those that are answered, too, until the answer has arrived.
_awaits_beat: ColumnElement[bool] = callbacks.c.closed_at.is_(
    None
) & callbacks.c.heartbeat_due_at.is_not(None)

BEATS: Final = (
    select(callbacks.c.id)
    .where(_awaits_beat, callbacks.c.heartbeat_due_at <= _now)
    .order_by(callbacks.c.heartbeat_due_at, callbacks.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(key_share=True, skip_locked=True)
)

HOLD_BEATS: Final = (
    update(callbacks)
    .where(_is_wanted)
    .values(
        heartbeat_due_at=bindparam("until", type_=Instant),
        heartbeat_held_until=bindparam("until", type_=Instant),
    )
)

#: Callbacks with their outcomes; what only the store knows of them is in these rows, too.
KEPT: Final = CALLBACKS.where(_is_wanted)


def _keep(*names: str) -> Update:
    values = {name: bindparam(f"{name}_", type_=callbacks.c[name].type) for name in names}
    return update(callbacks).where(callbacks.c.id == bindparam("callback_id")).values(values)


_learnt: Final = (
    "default_due_at",
    "cancel_requested_at",
    "paused_at",
    "reset_at",
    "heartbeat_due_at",
    "poll_due_at",
)

SEEN: Final = _keep(*_learnt, "attempt_timeout_at", "heartbeat_timeout", "poll_held_until")
BEATEN: Final = _keep(*_learnt, "heartbeat_sent_at", "heartbeat_held_until")
NOTED: Final = _keep("details", "heartbeat_received_at", "heartbeat_due_at", "heartbeat_held_until")

#: A later attempt that has asked meanwhile has no claim: it is left alone.
_is_claimed: ColumnElement[bool] = callbacks.c.heartbeat_held_until.is_not(None)

POSTPONE: Final = (
    update(callbacks)
    .where(_is_wanted, _is_claimed)
    .values(
        heartbeat_due_at=bindparam("until", type_=Instant),
        heartbeat_held_until=bindparam("until", type_=Instant),
    )
)

GIVE_UP: Final = (
    update(callbacks)
    .where(_is_wanted, _is_claimed)
    .values(
        heartbeat_due_at=None, heartbeat_held_until=None, poll_due_at=_now, poll_held_until=None
    )
)

NEXT_BEAT: Final = select(func.min(callbacks.c.heartbeat_due_at)).where(_awaits_beat)
