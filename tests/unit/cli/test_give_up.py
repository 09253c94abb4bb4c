"""Parked answers are given up from the command line, one or all."""

import json

import pytest
from sqlalchemy import text

from ringback.app.system import find_os_user
from ringback.domain.api_key import Role
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.ids import to_identity
from tests import factories
from tests.unit.cli.commands import Served, ringback
from tests.unit.gateway.house import key_of


def parked(gateway: Served, *, is_ended: bool = True) -> Callback:
    """Return a callback whose answer is parked."""
    house, callback = gateway.house, gateway.asked()

    async def park() -> None:
        await house.store.accept([factories.answer(callback.id)])
        answered = await house.found(callback.id)
        await house.store.settle([factories.settlement(answered, State.PARKED)])
        if is_ended:
            house.activities.close_workflow(callback.ref, how="workflow terminated")

    gateway.do(park())
    return gateway.now(callback.id)


def facts_of(gateway: Served, callback: Callback) -> dict[str, object]:
    trail = gateway.do(gateway.house.store.audit_trail(callback.id))
    (facts,) = [entry.facts for entry in trail if entry.kind is AuditKind.GIVEN_UP]
    return facts


def states_of(gateway: Served, *callbacks: Callback) -> list[State]:
    return [gateway.now(callback.id).state for callback in callbacks]


def test_answer_is_given_up_in_the_name_of_the_user(gateway: Served) -> None:
    callback = parked(gateway)

    ran = ringback("give-up", callback.id)
    again = ringback("give-up", callback.id, "--json")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"{callback.id} is superseded")
    assert (again.code, again.json["state"]) == (0, "superseded")
    assert facts_of(gateway, callback) == {"by": "operator", "name": find_os_user()}


def test_name_and_reason_are_stored(gateway: Served) -> None:
    callback = parked(gateway)

    ringback("give-up", callback.id, "--by", "ada", "--reason", "its workflow was deleted")

    assert facts_of(gateway, callback) == {
        "by": "operator",
        "name": "ada",
        "reason": "its workflow was deleted",
    }


def test_answer_that_was_applied_is_said_to_be(gateway: Served) -> None:
    callback = parked(gateway, is_ended=False)
    assert callback.accepted is not None
    identity = to_identity(callback.accepted.id)
    gateway.house.activities.end(callback.ref, how="completed", identity=identity)

    ran = ringback("give-up", callback.id)

    assert (ran.code, ran.out) == (0, f"{callback.id} is applied: Temporal has its answer\n")


def test_answer_that_is_needed_stays_parked(gateway: Served) -> None:
    callback = parked(gateway, is_ended=False)

    ran = ringback("give-up", callback.id)

    assert (ran.code, ran.out) == (1, "")
    assert f"ringback redeliver {callback.id}" in ran.err
    assert states_of(gateway, callback) == [State.PARKED]


def test_operator_says_that_temporal_is_gone(gateway: Served) -> None:
    callback = parked(gateway, is_ended=False)
    gateway.house.activities.unserved = frozenset({callback.ref.namespace})

    refused = ringback("give-up", callback.id)
    given_up = ringback("give-up", callback.id, "--temporal-is-gone")

    assert refused.code == 3
    assert f"ringback give-up {callback.id} --temporal-is-gone" in refused.err
    assert given_up.code == 0


def test_all_that_have_no_use_are_given_up_and_one_that_is_needed_stops_none(
    gateway: Served,
) -> None:
    first, needed, last = parked(gateway), parked(gateway, is_ended=False), parked(gateway)

    ran = ringback("give-up", "--parked", "--json")

    assert ran.code == 1
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == [first.id, last.id]
    assert f"{needed.id}: the activity" in ran.err
    assert ran.err.endswith("2 given up, 1 refused\n")
    assert states_of(gateway, first, needed, last) == [
        State.SUPERSEDED,
        State.PARKED,
        State.SUPERSEDED,
    ]


def test_more_than_a_page_is_given_up(gateway: Served) -> None:
    callbacks = [parked(gateway) for _ in range(103)]

    ran = ringback("give-up", "--parked")

    assert (ran.code, ran.err) == (0, "103 given up, 0 refused\n")
    assert set(states_of(gateway, *callbacks)) == {State.SUPERSEDED}


def test_limit_leaves_the_newest_alone(gateway: Served) -> None:
    callbacks = [parked(gateway) for _ in range(3)]

    ran = ringback("give-up", "--parked", "--limit", "2")

    assert (ran.code, ran.err) == (0, "2 given up, 0 refused\n")
    assert states_of(gateway, *callbacks) == [State.SUPERSEDED, State.SUPERSEDED, State.PARKED]


@pytest.mark.usefixtures("gateway")
def test_empty_list_exits_with_0() -> None:
    assert ringback("give-up", "--parked").err == "0 given up, 0 refused\n"


def test_row_that_cannot_be_written_stops_none(gateway: Served) -> None:
    broken, good = parked(gateway), parked(gateway)
    gateway.do(refuse_writes(gateway, broken))

    ran = ringback("give-up", "--parked")

    assert ran.code == 1
    assert broken.id in ran.err
    assert states_of(gateway, broken, good) == [State.PARKED, State.SUPERSEDED]


async def refuse_writes(gateway: Served, callback: Callback) -> None:
    async with gateway.house.database.writing() as connection:
        await connection.execute(
            text(
                "CREATE TRIGGER refusal BEFORE UPDATE ON outcomes"
                f" WHEN NEW.callback_id = '{callback.id}'"
                " BEGIN SELECT RAISE(ABORT, 'the row is refused'); END"
            )
        )


def test_rest_is_left_alone_while_temporal_is_away(gateway: Served) -> None:
    callbacks = [parked(gateway) for _ in range(7)]
    gateway.house.activities.is_reachable = False

    ran = ringback("give-up", "--parked")

    assert ran.code == 3
    assert "5 failures in a row; try the rest again later" in ran.err
    assert ran.err.endswith("0 given up, 5 refused\n")
    assert set(states_of(gateway, *callbacks)) == {State.PARKED}


@pytest.mark.parametrize(
    "words", [[], ["cb_1", "--parked"], ["cb_1", "--limit", "1"], ["--parked", "--limit", "0"]]
)
def test_wrong_usage_changes_nothing(gateway: Served, words: list[str]) -> None:
    callback = parked(gateway)

    assert ringback("give-up", *words).code == 2
    assert states_of(gateway, callback) == [State.PARKED]


def test_key_that_may_not_is_refused_once(gateway: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    callbacks = [parked(gateway) for _ in range(2)]
    monkeypatch.setenv("RINGBACK_API_KEY", key_of(Role.VIEWER))

    ran = ringback("give-up", "--parked")

    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert states_of(gateway, *callbacks) == [State.PARKED, State.PARKED]
