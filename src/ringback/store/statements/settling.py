"""Statements of settling: each takes all the verdicts of a commit at once."""

import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    Integer,
    Text,
    Update,
    bindparam,
    insert,
    select,
    update,
)

from ringback.ports.store import Settlement
from ringback.store.bulk_params import INSERTS, BulkRows, any_of
from ringback.store.tables import Instant, callbacks, events, outcomes

_SETTLEMENTS: Final = BulkRows(
    "settlements",
    {
        "callback_id": Text(),
        "tries": Integer(),
        "verdict": Text(),
        "proof": outcomes.c.proof.type,
    },
)
"""What settlements differ in."""


def given(dialect: str, settlements: Sequence[Settlement]) -> dict[str, object]:
    """Return settlements, of which there must be one, as `SETTLE` takes them."""
    return _SETTLEMENTS.values(dialect, map(_as_row, settlements))


def _as_row(settlement: Settlement) -> tuple[str, int, str, str]:
    proof = json.dumps(settlement.proof)
    return settlement.callback_id, settlement.tries, settlement.verdict.value, proof


def _settle(dialect: str) -> Update:
    given = _SETTLEMENTS.rows(dialect)
    return (
        update(outcomes)
        .where(outcomes.c.callback_id == given.c.callback_id, outcomes.c.tries == given.c.tries)
        .values(
            state=given.c.verdict,
            verdict_at=bindparam("now", type_=Instant),
            proof=given.c.proof,
            claimed_by=None,
        )
    )


#: Keep verdicts of outcomes that are held and wait for one, each if no other try has begun.
SETTLE: Final = {dialect: _settle(dialect) for dialect in INSERTS}

#: Nobody waits any more where the verdict is the end.
CLOSE: Final = (
    update(callbacks)
    .where(any_of(callbacks.c.id, "ids"))
    .values(closed_at=bindparam("now", type_=Instant))
)

#: The verdicts that were kept, for the audit trail.
RECORD: Final = insert(events).from_select(
    ["callback_id", "at", "kind", "facts"],
    select(outcomes.c.callback_id, outcomes.c.verdict_at, outcomes.c.state, outcomes.c.proof).where(
        any_of(outcomes.c.callback_id, "ids")
    ),
)
