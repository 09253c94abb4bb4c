"""Each verb of the command line, by token, by ids and by callback, with and without a workflow."""

from uuid import uuid4

import pytest

from tests.acceptance.waiting_activities import Env

pytestmark = [pytest.mark.server, pytest.mark.processes]

each_way = pytest.mark.parametrize("way", ["token", "ids", "callback"])
each_kind = pytest.mark.parametrize("kind", ["workflow", "standalone"])


@each_way
@each_kind
async def test_complete_ends_the_activity_with_the_result(env: Env, kind: str, way: str) -> None:
    question = await env.ask(kind)

    ran = await env.ringback("complete", *question.named(way), "--result", '{"ok": true}')

    assert ran.code == 0, ran.err
    assert await question.end() == {"ok": True}


@each_way
@each_kind
async def test_fail_ends_the_activity_with_all_fields_of_the_failure(
    env: Env, kind: str, way: str
) -> None:
    question = await env.ask(kind)

    ran = await env.ringback(
        *("fail", *question.named(way), "--message", "declined", "--type", "Declined"),
        *("--non-retryable", "--details", '["first", {"second": 2}]'),
    )

    assert ran.code == 0, ran.err
    assert await question.end() == {
        "failed": "declined",
        "type": "Declined",
        "non_retryable": True,
        "details": ["first", {"second": 2}],
    }


@each_way
@each_kind
async def test_heartbeat_is_recorded_and_reports_no_cancellation(
    env: Env, kind: str, way: str
) -> None:
    question = await env.ask(kind)

    ran = await env.ringback(
        "heartbeat", *question.named(way), "--details", '{"progress": 0.5}', "--json"
    )

    assert ran.code == 0, ran.err
    assert (ran.json["cancel_requested"], ran.json["paused"]) == (False, False)
    assert await question.heartbeat_details() == {"progress": 0.5}


@each_way
@each_kind
async def test_cancel_after_request_cancels_the_activity(env: Env, kind: str, way: str) -> None:
    question = await env.ask(kind)

    await question.request_cancel()
    beaten = await env.ringback("heartbeat", *question.named(way), "--json")
    ran = await env.ringback("cancel", *question.named(way), "--details", '"stopped"')

    assert (beaten.code, beaten.json["cancel_requested"]) == (1, True)
    assert ran.code == 0, ran.err
    assert await question.end() == {"canceled": ["stopped"]}


@each_way
async def test_cancel_without_request_is_rejected(env: Env, way: str) -> None:
    question = await env.ask()

    ran = await env.ringback.alone("cancel", *question.named(way))

    assert ran.code == 1, ran.err
    assert ran.err.startswith("ringback: ")


async def test_complete_returns_accepted_and_with_wait_applied(env: Env) -> None:
    first, second = await env.ask(), await env.ask()
    words = ("--result", "1", "--json")

    accepted = await env.ringback("complete", *first.named("callback"), *words)
    applied = await env.ringback("complete", *second.named("callback"), *words, "--wait", "20")
    again = await env.ringback("complete", *second.named("callback"), *words)

    assert (accepted.code, accepted.json["state"]) == (0, "accepted")
    assert (applied.code, applied.json["state"]) == (0, "applied")
    assert [one.json["duplicate"] for one in (accepted, applied, again)] == [False, False, True]
    assert again.code == 0


@each_kind
async def test_answer_with_run_id_never_reaches_a_later_run(env: Env, kind: str) -> None:
    old = await env.ask(kind)
    await old.handle.terminate()
    new = await env.ask(kind, name=old.handle.id)

    late = await env.ringback("complete", *old.ids, "--result", '"late"')
    await env.ringback("complete", *new.ids, "--result", '"in time"')

    assert late.code == 1
    assert await new.end() == "in time"


async def test_second_different_answer_is_rejected(env: Env) -> None:
    question = await env.ask()
    await env.ringback("complete", *question.named("callback"), "--result", "1")

    ran = await env.ringback("complete", *question.named("callback"), "--result", "2")

    assert ran.code == 1
    assert ran.err == "ringback: another answer was accepted first\n"


async def test_result_of_wrong_type_is_rejected(env: Env) -> None:
    question = await env.ask(result_type="bool")

    ran = await env.ringback("complete", *question.named("callback"), "--result", '"yes"')

    assert ran.code == 1
    assert "this is not what the activity returns" in ran.err


@each_way
@pytest.mark.parametrize("verb", ["complete", "heartbeat"])
async def test_answer_to_closed_workflow_exits_with_1(env: Env, way: str, verb: str) -> None:
    question = await env.ask()
    await question.handle.terminate()

    ran = await env.ringback(verb, *question.named(way))
    waited = await env.ringback(*after(verb, question.named(way)))

    assert 1 in {ran.code, waited.code}
    assert "Traceback" not in ran.err + waited.err


def after(verb: str, named: list[str]) -> list[str]:
    """Return the command that waits for the verdict, where there is one to wait for."""
    can_wait = verb == "complete" and named[0] == "--callback"
    return [verb, *named, *(["--wait", "20"] if can_wait else [])]


@each_way
async def test_token_and_ids_do_not_reach_another_namespace(env: Env, way: str) -> None:
    question = await env.ask()
    expected = {"token": 2, "ids": 1, "callback": 0}[way]

    ran = await env.ringback(
        *("complete", *question.named(way), "--result", '"reached"'),
        TEMPORAL_NAMESPACE="temporal-system",
    )

    # A callback knows its namespace.
    assert ran.code == expected, ran.err
    if way == "callback":
        assert await question.end() == "reached"


async def test_namespace_option_applies_to_ids(env: Env) -> None:
    question = await env.ask()

    ran = await env.ringback(
        *("complete", *question.ids, "--namespace", "default", "--result", "1"),
        TEMPORAL_NAMESPACE="temporal-system",
    )

    assert ran.code == 0, ran.err
    assert await question.end() == 1


async def test_unknown_activity_id_exits_with_1(env: Env) -> None:
    ran = await env.ringback.alone("complete", "--activity-id", f"nobody-{uuid4()}")

    assert ran.code == 1
    assert ran.err.startswith("ringback: ")
