"""A worker in any language is told to poll, and reports what the sender said."""

from datetime import timedelta
from typing import Any

import pytest

from ringback.core.sender_polls import PollRequester
from ringback.domain.api_key import Role
from ringback.domain.callback import ActivityExecution, State
from ringback.domain.outcome import Completed, Failed
from tests.unit.gateway.house import House

OPTIONS: dict[str, Any] = {"poll": True, "poll_every": "PT10M", "deadline": "PT2H"}


async def opened(house: House) -> tuple[ActivityExecution, str]:
    """Return an activity that waits, and its callback."""
    ref = house.scheduled()
    callback_id = (await house.open(ref, **OPTIONS)).json()["id"]
    await house.post(f"/v1/callbacks/{callback_id}/submitted", Role.WORKER)
    return ref, callback_id


def token_of(house: House, ref: ActivityExecution) -> str:
    """Return the task token of the running attempt, in base64."""
    token = house.naming(ref)["task_token"]
    assert isinstance(token, str)
    return token


async def started_to_poll(house: House) -> tuple[ActivityExecution, str, Any]:
    """Return the activity, its callback, and the reply to the attempt that was started to poll."""
    ref, callback_id = await opened(house)
    house.clock.advance(timedelta(minutes=10))
    await PollRequester(house.store, house.activities, clock=house.clock).request_due()
    house.activities.start(ref)
    return ref, callback_id, (await house.open(ref, **OPTIONS)).json()


async def test_attempt_that_was_started_to_poll_is_told_so(house: House) -> None:
    _, callback_id, reply = await started_to_poll(house)

    shown = (await house.get(f"/v1/callbacks/{callback_id}")).json()

    assert (reply["id"], reply["next"], reply["submitted"]) == (callback_id, "poll", True)
    assert shown["poll"]["every"] == 600
    assert shown["poll"]["requested_at"] is not None


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ('{"verb": "complete", "body": 1.10}', Completed(b"1.10")),
        ('{"verb": "complete"}', Completed(None)),
        (
            '{"verb": "fail", "body": {"message": "no", "non_retryable": true}}',
            Failed("no", non_retryable=True),
        ),
    ],
)
async def test_found_answer_is_accepted_byte_for_byte(
    house: House, answer: str, outcome: Completed | Failed
) -> None:
    ref, callback_id, _ = await started_to_poll(house)
    token = token_of(house, ref)
    body = f'{{"attempt": 2, "task_token": "{token}", "answer": {answer}}}'

    reply = await house.post(f"/v1/callbacks/{callback_id}/polled", Role.WORKER, content=body)

    callback = await house.found(callback_id)
    assert reply.status_code == 204
    assert callback.accepted is not None
    assert callback.accepted.outcome == outcome


@pytest.mark.parametrize("error", [None, "OSError"])
async def test_report_without_an_answer_lets_the_activity_wait_on(
    house: House, error: str | None
) -> None:
    ref, callback_id, _ = await started_to_poll(house)
    report = {"attempt": 2, "task_token": token_of(house, ref), "error": error}

    reply = await house.post(f"/v1/callbacks/{callback_id}/polled", Role.WORKER, json=report)

    entries = (await house.get(f"/v1/callbacks/{callback_id}/audit")).json()["entries"]
    assert reply.status_code == 204
    assert (await house.found(callback_id)).state is State.OPEN
    found = "not yet" if error is None else "an error"
    assert (entries[-1]["kind"], entries[-1]["facts"]["found"]) == ("polled", found)


@pytest.mark.parametrize(
    ("report", "status"),
    [({}, 422), ({"attempt": 0}, 422), ({"attempt": 2, "answer": {"verb": "cancel"}}, 422)],
)
async def test_report_that_is_wrong_is_refused(
    house: House, report: dict[str, Any], status: int
) -> None:
    ref, callback_id = await opened(house)

    path = f"/v1/callbacks/{callback_id}/polled"
    sent = {"task_token": token_of(house, ref), **report}

    assert (await house.post(path, Role.WORKER, json=sent)).status_code == status


async def test_callback_without_polls_takes_no_answer_from_a_worker(house: House) -> None:
    ref = house.scheduled()
    callback_id = (await house.open(ref)).json()["id"]
    answer = {"verb": "complete", "body": 1}
    report = {"attempt": 1, "task_token": token_of(house, ref), "answer": answer}

    reply = await house.post(f"/v1/callbacks/{callback_id}/polled", Role.WORKER, json=report)

    assert reply.status_code == 422
    assert (await house.found(callback_id)).state is State.OPEN


async def test_report_without_the_token_of_the_attempt_is_refused(house: House) -> None:
    _, callback_id, _ = await started_to_poll(house)
    answer = {"verb": "complete", "body": 1}
    path = f"/v1/callbacks/{callback_id}/polled"
    of_another = token_of(house, house.scheduled())
    wrong = {"attempt": 2, "task_token": of_another, "answer": answer}

    statuses = [
        (await house.post(path, Role.WORKER, json=report)).status_code
        for report in (wrong, {"attempt": 2, "answer": answer})
    ]

    assert statuses == [422, 422]
    assert (await house.found(callback_id)).state is State.OPEN


async def test_report_of_an_unknown_callback_gets_404(house: House) -> None:
    path = "/v1/callbacks/cb_unknown/polled"
    report = {"attempt": 1, "task_token": token_of(house, house.scheduled())}

    assert (await house.post(path, Role.WORKER, json=report)).status_code == 404


@pytest.mark.parametrize(
    "options", [{"poll_every": "PT1M"}, {"poll": True}, {**OPTIONS, "attempts": "current"}]
)
async def test_options_that_do_not_fit_are_refused(house: House, options: dict[str, Any]) -> None:
    assert (await house.open(house.scheduled(), **options)).status_code == 422
