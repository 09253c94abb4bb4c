"""Statements of settling: each takes all the verdicts of a commit at once.

A driver that is given the rows one by one lets other threads run in between, and waits for its
turn after each.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import (
    FromClause,
    Integer,
    Text,
    Update,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from ringback.ports.store import Settlement
from ringback.store.statements.among import among
from ringback.store.tables import Instant, callbacks, events, outcomes

_GIVEN: Final = {"callback_id": Text, "tries": Integer, "verdict": Text, "proof": Text}
"""What settlements differ in, and what it is to the database."""


def _as_row(settlement: Settlement) -> tuple[str, int, str, str]:
    proof = json.dumps(settlement.proof)
    return settlement.callback_id, settlement.tries, settlement.verdict.value, proof


def _in_json(settlements: Sequence[Settlement]) -> dict[str, object]:
    return {"settlements": json.dumps([_as_row(one) for one in settlements])}


def _in_arrays(settlements: Sequence[Settlement]) -> dict[str, object]:
    columns = zip(*map(_as_row, settlements), strict=True)
    return dict(zip(map(_array, _GIVEN), map(list, columns), strict=True))


def _array(name: str) -> str:
    # Parameters of an update must not be named as what it sets.
    return f"{name}_given"


GIVEN: Final[dict[str, Callable[[Sequence[Settlement]], dict[str, object]]]] = {
    "sqlite": _in_json,
    "postgresql": _in_arrays,
}
"""What `SETTLE` takes the settlements as, by dialect; there must be one."""


def _from_json() -> FromClause:
    each = func.json_each(bindparam("settlements", type_=Text)).table_valued("value").c.value
    parts = (func.json_extract(each, f"$[{place}]") for place in range(len(_GIVEN)))
    return select(*(part.label(name) for name, part in zip(_GIVEN, parts, strict=True))).cte()


def _from_arrays() -> FromClause:
    types: list[tuple[str, Any]] = list(_GIVEN.items())
    arrays = [bindparam(_array(name), type_=ARRAY(type_)) for name, type_ in types]
    columns = [column(name, type_) for name, type_ in types]
    given = func.unnest(*arrays).table_valued(*columns).render_derived()
    proof = cast(given.c.proof, outcomes.c.proof.type).label("proof")
    return select(given.c.callback_id, given.c.tries, given.c.verdict, proof).cte()


def _settle(given: FromClause) -> Update:
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
SETTLE: Final = {"sqlite": _settle(_from_json()), "postgresql": _settle(_from_arrays())}

#: Nobody waits any more where the verdict is the end.
CLOSE: Final = (
    update(callbacks)
    .where(among(callbacks.c.id, "ids"))
    .values(closed_at=bindparam("now", type_=Instant))
)

#: The verdicts that were kept, for the audit trail.
RECORD: Final = insert(events).from_select(
    ["callback_id", "at", "kind", "facts"],
    select(outcomes.c.callback_id, outcomes.c.verdict_at, outcomes.c.state, outcomes.c.proof).where(
        among(outcomes.c.callback_id, "ids")
    ),
)
