"""Answers, heartbeats and links from the command line, by callback."""

import json
from datetime import timedelta

import pytest

from ringback.domain.callback import State
from ringback.domain.outcome import Canceled, Completed, Failed
from tests import factories
from tests.unit.cli.commands import Served, ringback

EXACT = '{"total": 1.10, "id": 12345678901234567890}'


@pytest.mark.parametrize("form", ["argument", "option"])
def test_complete_takes_the_callback_as_argument_or_option(gateway: Served, form: str) -> None:
    callback = gateway.asked()
    names = [callback.id] if form == "argument" else ["--callback", callback.id]

    ran = ringback("complete", *names, "--result", EXACT, "--json")

    assert (ran.code, ran.json["callback"]) == (0, callback.id)
    assert gateway.outcome_of(callback.id) == Completed(EXACT.encode())


def test_failure_arrives_unchanged(gateway: Served) -> None:
    callback = gateway.asked()

    ran = ringback(
        *("fail", callback.id, "--message", "declined", "--type", "Declined", "--non-retryable"),
        *("--details", "[1.10]", "--next-retry-delay", "90s"),
    )

    assert ran.code == 0, ran.err
    failed = gateway.outcome_of(callback.id)
    assert isinstance(failed, Failed)
    assert (failed.message, failed.type, failed.non_retryable) == ("declined", "Declined", True)
    assert failed.details == b"[1.10]"
    assert failed.next_retry_delay is not None
    assert failed.next_retry_delay.total_seconds() == 90


def test_cancellation_is_accepted_after_a_request(gateway: Served) -> None:
    callback = gateway.asked()
    refused = ringback("cancel", callback.id)
    gateway.house.activities.request_cancel(callback.ref)

    beaten = ringback("heartbeat", callback.id, "--details", "1", "--json")
    ran = ringback("cancel", callback.id, "--details", '"stopped"')

    assert refused.code == 1
    assert (beaten.code, beaten.json["cancel_requested"]) == (1, True)
    assert ran.code == 0, ran.err
    assert gateway.outcome_of(callback.id) == Canceled(b'"stopped"')


def test_heartbeat_says_to_continue(gateway: Served) -> None:
    ran = ringback("heartbeat", gateway.asked().id)

    assert (ran.code, ran.out) == (0, "recorded: continue the work\n")


def test_wait_returns_once_temporal_has_the_answer(gateway: Served) -> None:
    callback = gateway.asked()

    ran = ringback("complete", callback.id, "--result", "1", "--wait", "20")

    assert (ran.code, ran.out) == (0, f"{callback.id} applied: Temporal has it\n")


def test_same_answer_is_a_duplicate_and_another_one_is_refused(gateway: Served) -> None:
    callback = gateway.asked()
    words = ("complete", callback.id, "--result")

    first = ringback(*words, "1", "--wait", "20", "--json")
    again = ringback(*words, "1", "--json")
    in_words = ringback(*words, "1")
    other = ringback(*words, "2")

    assert (first.json["duplicate"], again.json["duplicate"]) == (False, True)
    assert "the same answer was accepted" in in_words.out
    assert (other.code, other.err) == (1, "ringback: another answer was accepted first\n")


def test_waiting_for_a_parked_answer_says_where_to_look(gateway: Served) -> None:
    gateway.house.activities.is_busy = True
    callback = gateway.asked()
    ringback("complete", callback.id)
    proof: dict[str, object] = {"reason": "the test parked it"}
    parked = factories.settlement(gateway.now(callback.id), State.PARKED, proof)
    gateway.do(gateway.house.store.settle([parked]))

    ran = ringback("complete", callback.id, "--wait", "20")

    assert ran.code == 1
    assert ran.err == (
        f"ringback: the answer is stored but parked; see: ringback show {callback.id}\n"
    )


def test_link_of_an_ended_callback_says_that_it_is_of_no_use(gateway: Served) -> None:
    callback, ended = gateway.asked(), gateway.asked()
    gateway.do(gateway.house.store.expire([factories.expiry(ended)]))

    good = ringback("link", callback.id, "--verbs", "complete,view", "--for", "1h", "--json")
    useless = ringback("link", ended.id)

    assert (good.code, good.err) == (0, "")
    assert good.json["allows"] == ["complete", "view"]
    assert useless.code == 0
    assert f"{ended.id} is expired: it accepts no more answers" in useless.err
    assert useless.out.count("\n") == 1


def test_deadline_is_extended_and_links_are_revoked(gateway: Served) -> None:
    callback = gateway.asked(deadline=timedelta(hours=1))

    extended = ringback("extend", callback.id, "2h", "--json")
    revoked = ringback("revoke", callback.id)
    redelivered = ringback("redeliver", callback.id)

    assert extended.json["id"] == callback.id
    assert gateway.now(callback.id).link_serial == callback.link_serial + 1
    assert revoked.out.startswith(f"{callback.id} has no valid links now")
    assert (redelivered.code, redelivered.err) == (1, "ringback: it is open, not parked\n")


@pytest.mark.parametrize("verb", ["complete", "fail", "heartbeat", "cancel"])
def test_ids_of_an_activity_with_an_open_callback_point_at_it(
    gateway: Served, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    callback = gateway.asked()
    more = ["--message", "no"] if verb == "fail" else []
    ids = ["--workflow-id", callback.ref.workflow_id, "--activity-id", callback.ref.activity_id]

    ran = ringback(verb, *ids, *more)
    other = ringback(verb, *ids[:3], "another", *more)
    run = ringback(verb, *ids, *more, "--run-id", "another")

    assert f"this activity has the open callback {callback.id}" in ran.err
    assert f"--callback {callback.id}" in ran.err
    assert "callback" not in other.err + run.err
    # Temporal is asked all the same: the ids need no gateway.
    assert [one.code for one in (ran, other, run)] == [3, 3, 3]


def test_no_command_prints_an_answer(gateway: Served) -> None:
    callback = gateway.asked()

    ran = ringback("complete", callback.id, "--result", '"hush"', "--json")

    assert "hush" not in ran.out + ran.err + json.dumps(ringback("show", callback.id, "--json").out)


def test_answer_heartbeat_and_list_take_an_alias(gateway: Served) -> None:
    callback = gateway.asked(aliases=("orders/17 a",))
    gateway.asked()

    beaten = ringback("heartbeat", "--alias", "orders/17 a")
    listed = ringback("list", "--alias", "orders/17 a", "--json")
    shown = ringback("show", "--alias", "orders/17 a", "--json")
    ran = ringback("complete", "--alias", "orders/17 a", "--result", EXACT, "--json")

    assert beaten.code == 0, beaten.err
    assert [one["id"] for one in listed.json["callbacks"]] == [callback.id]
    assert (shown.json["id"], shown.json["aliases"]) == (callback.id, ["orders/17 a"])
    assert (ran.code, ran.json["callback"]) == (0, callback.id)
    assert gateway.outcome_of(callback.id) == Completed(EXACT.encode())


@pytest.mark.parametrize(
    "names", [["cb_1", "--alias", "a"], ["--alias", "a", "--token", "00"], ["--alias", " "]]
)
def test_activity_is_named_once_and_by_a_usable_alias(names: list[str]) -> None:
    assert ringback("complete", *names).code == 2


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_decision_takes_an_alias(gateway: Served, command: str) -> None:
    callback = gateway.asked(aliases=("order:17",))

    ran = ringback(command, "--alias", "order:17")
    both = ringback(command, callback.id, "--alias", "order:17")
    unknown = ringback(command, "--alias", "order:18")

    assert ran.code == 0, ran.err
    assert ran.out.startswith(callback.id)
    assert (both.code, unknown.code) == (2, 1)
