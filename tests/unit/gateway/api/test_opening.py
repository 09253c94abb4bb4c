"""A worker in any language opens a callback, and the reply says what to do next."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.activity_state import LastFailure
from ringback.domain.api_key import Role
from ringback.domain.callback import ActivityExecution, State
from ringback.domain.options import Attempts, CallbackOptions, HeartbeatBy
from ringback.domain.outcome import Completed, Failed
from tests import factories
from tests.fake_edges import BASE
from tests.loops import idle
from tests.unit.gateway.house import House

HOUR = timedelta(hours=1)


async def test_activity_gets_a_callback_and_its_link(house: House) -> None:
    ref = house.scheduled()

    reply = await house.open(ref)

    told = reply.json()
    callback = await house.found(told["id"])
    assert reply.status_code == 200
    assert (told["next"], told["submitted"], told["answered"]) == ("submit", False, False)
    assert (callback.ref, callback.state) == (ref, State.OPEN)
    assert callback.task_token == house.activities.task_token(ref)
    assert callback.attempt_started_at == house.activities.started_at(ref)
    answered = await house.http.post(told["url"].removeprefix(BASE), json=1)
    assert answered.status_code == 202


async def test_no_reply_contains_the_task_token(house: House) -> None:
    ref = house.scheduled()
    token = house.naming(ref)["task_token"]

    opened = await house.open(ref)
    shown = await house.get(f"/v1/callbacks/{opened.json()['id']}")
    listed = await house.get("/v1/callbacks")
    entries = await house.get(f"/v1/callbacks/{opened.json()['id']}/audit")

    assert token not in opened.text + shown.text + listed.text + entries.text
    assert "/c/" not in shown.text + listed.text + entries.text


async def test_same_activity_gets_the_same_callback_and_submits_once(
    house: House,
) -> None:
    ref = house.scheduled()
    first = (await house.open(ref)).json()
    await house.post(f"/v1/callbacks/{first['id']}/submitted", Role.WORKER)
    house.activities.back_off(ref, LastFailure("timeout", "too late", None))
    house.activities.start(ref)

    second = (await house.open(ref)).json()

    assert (second["id"], second["url"]) == (first["id"], first["url"])
    assert (second["next"], second["submitted"]) == ("wait", True)
    assert (await house.found(first["id"])).attempt == 2


async def test_answer_between_attempts_is_delivered_to_the_next_one(house: House) -> None:
    ref = house.scheduled()
    first = (await house.open(ref)).json()
    house.activities.is_busy = True
    await house.post(f"/v1/callbacks/{first['id']}/complete", content=b'{"amount": 1.10}')
    # The gateway stores the retry before any time passes.
    await idle()
    house.activities.back_off(ref, LastFailure("timeout", "too late", None))
    house.activities.start(ref)

    second = await house.open(ref)
    house.activities.is_busy = False
    house.clock.advance(HOUR)
    await idle()

    assert (second.json()["next"], second.json()["answered"]) == ("wait", True)
    assert b'"body": {"amount": 1.10}' in second.content
    assert (await house.found(first["id"])).state is State.APPLIED


async def test_delivered_answer_is_returned_to_the_attempt(
    house: House,
) -> None:
    ref = house.scheduled()
    first = (await house.open(ref)).json()
    await house.post(f"/v1/callbacks/{first['id']}/complete", json=1)
    await idle()
    house.activities.schedule(ref)

    again = (await house.open(ref)).json()

    assert (again["id"], again["state"]) == (first["id"], "applied")
    accepted = (await house.found(first["id"])).accepted
    assert accepted is not None
    answer = {"id": accepted.id, "kind": "completed", "body": 1}
    assert (again["next"], again["answer"]) == ("return", answer)


async def test_result_without_a_body_is_not_null(house: House) -> None:
    ref = house.scheduled()
    first = (await house.open(ref)).json()
    house.activities.is_busy = True
    await house.post(f"/v1/callbacks/{first['id']}/complete")

    again = (await house.open(ref)).json()

    assert again["answer"].keys() == {"id", "kind"}


async def test_every_option_is_stored(house: House) -> None:
    reply = await house.open(
        house.scheduled(),
        deadline="PT1H",
        on_deadline={"verb": "fail", "body": {"message": "too late", "non_retryable": True}},
        attempts="current",
        follow_reset=True,
        heartbeat="gateway",
        cancel_within=60,
        cancel_url="https://outside.example/cancel",
        notify_url="https://outside.example/told",
        title="Charge",
        tags=["vip", "vip", "eu"],
        metadata={"order": 1},
        result_schema={"type": "object", "required": ["amount"]},
    )

    callback = await house.found(reply.json()["id"])
    assert callback.own_deadline_at == callback.opened_at + HOUR
    assert callback.options == CallbackOptions(
        deadline=HOUR,
        on_deadline=Failed("too late", non_retryable=True),
        attempts=Attempts.CURRENT,
        follow_reset=True,
        heartbeat=HeartbeatBy.GATEWAY,
        cancel_within=timedelta(minutes=1),
        cancel_url="https://outside.example/cancel",
        notify_url="https://outside.example/told",
        title="Charge",
        tags=("vip", "eu"),
        metadata={"order": 1},
    )
    wrong = await house.post(f"/v1/callbacks/{callback.id}/complete", json={"amonut": 1})
    assert wrong.status_code == 422


async def test_default_result_is_stored_byte_for_byte(house: House) -> None:
    body = {"verb": "complete", "body": None}
    ref = house.scheduled()
    text = f'{{"activity": {json.dumps(house.naming(ref))}, "options": {{"deadline": 1,'
    text += ' "on_deadline": {"verb": "complete", "body": { "n" : 1.10 }}}}'

    exact = await house.post("/v1/callbacks", Role.WORKER, content=text.encode())
    null = await house.open(house.scheduled(), deadline=1, on_deadline=body)
    nothing = await house.open(house.scheduled(), deadline=1, on_deadline={"verb": "complete"})

    defaults = [
        (await house.found(one.json()["id"])).options.on_deadline for one in (exact, null, nothing)
    ]
    assert defaults == [Completed(b'{ "n" : 1.10 }'), Completed(b"null"), Completed(None)]


async def test_default_of_the_wrong_type_is_refused(house: House) -> None:
    reply = await house.open(
        house.scheduled(),
        deadline=1,
        on_deadline={"verb": "complete", "body": 1},
        result_schema={"type": "string"},
    )

    good = await house.open(
        house.scheduled(),
        deadline=1,
        on_deadline={"verb": "complete", "body": "1"},
        result_schema={"type": "string"},
    )
    listed = (await house.get("/v1/callbacks")).json()["callbacks"]

    assert (reply.status_code, good.status_code) == (422, 200)
    assert [one["id"] for one in listed] == [good.json()["id"]]


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"deadline": 0}, "/options/deadline"),
        ({"deadline": "tomorrow"}, "/options/deadline"),
        ({"cancel_within": -1}, "/options/cancel_within"),
        ({"attempts": "all"}, "/options/attempts"),
        ({"title": "x" * 201}, "/options/title"),
        ({"title": "\x00"}, "/options/title"),
        ({"tags": [""]}, "/options/tags"),
        ({"tags": ["x" * 65]}, "/options/tags"),
        ({"tags": ["x"] * 21}, "/options/tags"),
        ({"tags": ["a\x00b"]}, "/options/tags"),
        ({"metadata": {"a": ["\x00"]}}, "/options/metadata"),
        ({"metadata": {"\x00": 1}}, "/options/metadata"),
        ({"metadata": {"a": "x" * 16 * 1024}}, "/options/metadata"),
        ({"notify_url": "https://outside.example/" + "x" * 1000}, "/options/notify_url"),
        ({"cancel_url": "ftp://outside.example"}, "/options/cancel_url"),
        ({"notify_url": "https://"}, "/options/notify_url"),
        ({"notify_url": "https://[::1"}, "/options/notify_url"),
        ({"on_deadline": {"verb": "cancel"}}, "/options/on_deadline/verb"),
        ({"result_schema": {"type": "nothing"}}, "/options/result_schema"),
        ({"result_schema": {"$ref": "https://elsewhere.example"}}, "/options/result_schema"),
        ({"result_schema": {"description": "x" * 70_000}}, "/options/result_schema"),
        ({"retries": 3}, "/options/retries"),
        ({"policy": {"assignees": []}}, "/options/policy/assignees"),
        ({"policy": {"is_decision": False, "assignees": []}}, "/options/policy/assignees"),
        ({"resume": True, "attempts": "current"}, "/options"),
        (
            {
                "policy": {"assignees": ["user:ada"], "approvals": "majority"},
                "escalate": [{"after": 60, "assignees": ["group:board"]}],
            },
            "/options",
        ),
    ],
)
async def test_invalid_option_returns_422_that_says_where(
    house: House, options: dict[str, Any], pointer: str
) -> None:
    reply = await house.open(house.scheduled(), **options)

    assert reply.status_code == 422
    assert {one["pointer"].removesuffix("/0") for one in reply.json()["errors"]} == {pointer}


@pytest.mark.parametrize(
    "wrong",
    [
        {"task_token": "not base64!"},
        {"task_token": ""},
        {"attempt": 0},
        {"attempt": "1"},
        {"run_id": ""},
        {"activity_id": None},
    ],
)
async def test_invalid_activity_returns_422_without_its_token(
    house: House, wrong: dict[str, Any]
) -> None:
    naming = {**house.naming(house.scheduled()), **wrong}

    reply = await house.post("/v1/callbacks", Role.WORKER, json={"activity": naming})

    assert reply.status_code == 422
    assert [one["pointer"] for one in reply.json()["errors"]] == [f"/activity/{next(iter(wrong))}"]
    assert "not base64!" not in reply.text


async def test_token_of_another_activity_is_refused(house: House) -> None:
    ref, other = house.scheduled(), house.scheduled()
    house.activities.back_off(other, LastFailure("timeout", "too late", None))
    house.activities.start(other)
    naming = house.naming(ref) | {"task_token": house.naming(other)["task_token"]}

    reply = await house.post("/v1/callbacks", Role.WORKER, json={"activity": naming})

    assert reply.status_code == 422
    assert "task token" in reply.json()["detail"]


async def test_attempt_that_has_ended_gets_410(house: House) -> None:
    ref = house.scheduled()
    naming = house.naming(ref)
    house.activities.back_off(ref, LastFailure("timeout", "too late", None))
    house.activities.start(ref)

    reply = await house.post("/v1/callbacks", Role.WORKER, json={"activity": naming})

    assert reply.status_code == 410
    assert "is no longer running" in reply.json()["detail"]


async def test_opening_returns_503_while_temporal_is_unreachable(house: House) -> None:
    ref = house.scheduled()
    house.activities.is_reachable = False

    reply = await house.open(ref)

    assert (reply.status_code, int(reply.headers["retry-after"]) > 0) == (503, True)


async def test_submission_may_be_reported_twice_and_needs_a_callback(
    house: House,
) -> None:
    opened = (await house.open(house.scheduled())).json()
    path = f"/v1/callbacks/{opened['id']}/submitted"

    first = await house.post(path, Role.WORKER)
    submitted_at = (await house.found(opened["id"])).submitted_at
    house.clock.advance(HOUR)
    second = await house.post(path, Role.WORKER)
    unknown = await house.post("/v1/callbacks/cb_unknown/submitted", Role.WORKER)

    assert (await house.found(opened["id"])).submitted_at == submitted_at is not None
    assert [(one.status_code, one.content) for one in (first, second)] == [(204, b"")] * 2
    assert unknown.status_code == 404


def info_of(house: House, ref: ActivityExecution) -> dict[str, Any]:
    return {
        "workflow_type": "Order",
        "activity_type": "charge",
        "task_queue": "orders",
        "scheduled_at": ref.scheduled_at.isoformat(),
        "started_at": house.activities.started_at(ref).isoformat(),
        "start_to_close_timeout": 60,
        "heartbeat_timeout": 10.5,
    }


async def open_with_info(house: House, ref: ActivityExecution, **more: Any) -> dict[str, Any]:
    activity = {**house.naming(ref), "info": info_of(house, ref)}
    reply = await house.post("/v1/callbacks", Role.WORKER, json={"activity": activity, **more})
    opened: dict[str, Any] = reply.json()
    return opened


async def test_attempt_with_info_is_opened_without_temporal(house: House) -> None:
    ref = house.scheduled()

    opened = await open_with_info(house, ref)

    callback = await house.found(opened["id"])
    assert (callback.ref, callback.task_queue) == (ref, "orders")
    assert callback.attempt_started_at == house.activities.started_at(ref)
    assert callback.attempt_timeout_at == callback.attempt_started_at + timedelta(minutes=1)
    assert callback.heartbeat_state.timeout == timedelta(seconds=10.5)


async def test_info_and_a_request_to_temporal_find_the_same_callback(house: House) -> None:
    ref = house.scheduled()

    told = await open_with_info(house, ref)
    looked = (await house.open(ref)).json()

    assert told["id"] == looked["id"]


async def test_waiting_answer_is_returned_inline_to_a_worker_that_names_itself(
    house: House,
) -> None:
    ref = house.scheduled()
    first = await open_with_info(house, ref)
    house.activities.is_busy = True
    await house.post(f"/v1/callbacks/{first['id']}/complete", content=b'{"n": 1.10}')
    await idle()

    named = await open_with_info(house, ref, worker="worker-1")

    assert (named["next"], named["answer"]["body"]) == ("return", {"n": 1.1})
    callback = await house.found(first["id"])
    assert callback.accepted is not None
    assert callback.accepted.delivered_inline_to == "worker-1"


async def test_worker_that_names_itself_does_not_return_a_cancellation(house: House) -> None:
    ref = house.scheduled()
    first = await open_with_info(house, ref)
    house.activities.request_cancel(ref)
    house.activities.is_busy = True
    await house.post(f"/v1/callbacks/{first['id']}/cancel")

    named = await open_with_info(house, ref, worker="worker-1")

    assert named["next"] == "wait"


async def test_standalone_activity_does_not_follow_resets(house: House) -> None:
    """It has no workflow that could be reset, so its callback is for its own run only."""
    ref = replace(factories.activity_ref(), workflow_id="")
    house.activities.schedule(ref)
    house.identifier.known.append(ref)

    reply = await house.open(ref, follow_reset=True)

    assert (await house.found(reply.json()["id"])).options.follow_reset is False
