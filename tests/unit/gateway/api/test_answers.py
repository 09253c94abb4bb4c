"""Answers by callback id, one and many, each with its own status."""

import logging

import pytest

from ringback.domain.callback import Callback
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.gateway.body import LARGE
from tests.fake_edges import BASE, LIMIT
from tests.unit.gateway.house import House


def outcome_of(callback: Callback) -> Outcome:
    assert callback.accepted is not None
    return callback.accepted.outcome


@pytest.mark.parametrize(
    ("verb", "body", "outcome"),
    [
        ("complete", b'{ "n" : 1.10 }', Completed(b'{ "n" : 1.10 }')),
        ("complete", b"", Completed(None)),
        ("fail", b'{"message": "no", "details": 1e99}', Failed("no", details=b"[1e99]")),
        ("cancel", b'"asked"', Canceled(b'"asked"')),
    ],
)
async def test_answer_by_id_equals_an_answer_by_link(
    house: House, verb: str, body: bytes, outcome: Outcome
) -> None:
    callback = await house.asked()
    house.activities.request_cancel(callback.ref)

    reply = await house.post(f"/v1/callbacks/{callback.id}/{verb}", content=body)

    assert reply.status_code == 202
    assert reply.json()["status_url"] == f"{BASE}/v1/callbacks/{callback.id}"
    assert outcome_of(await house.found(callback.id)) == outcome


async def test_waiting_operator_gets_the_verdict(house: House) -> None:
    callback = await house.asked()
    path = f"/v1/callbacks/{callback.id}/complete"

    reply = await house.post(path, json=1, headers={"prefer": "wait=5"})
    other = await house.post(path, json=2)

    assert (reply.status_code, reply.json()["state"]) == (200, "applied")
    assert other.status_code == 409


async def test_heartbeat_by_id_returns_the_reply_of_temporal(house: House) -> None:
    callback = await house.asked()
    house.activities.request_cancel(callback.ref)

    reply = await house.post(f"/v1/callbacks/{callback.id}/heartbeat", json={"progress": 1})

    assert reply.json()["cancel_requested"] is True
    assert house.activities.heartbeats == [(callback.ref, b'{"progress":1}')]


async def test_each_of_many_answers_has_its_own_status(house: House) -> None:
    first, second, third, fourth = [await house.asked() for _ in range(4)]
    await house.post(f"/v1/callbacks/{second.id}/complete", json="before")
    text = f"""{{"answers": [
        {{"callback": "{first.id}", "verb": "complete", "body": {{ "n": 1.10 }} }},
        {{"callback": "{second.id}", "verb": "complete", "body": "before"}},
        {{"callback": "{third.id}", "verb": "fail", "body": {{"message": "no"}}}},
        {{"callback": "{fourth.id}", "verb": "fail", "body": {{}}}},
        {{"callback": "{second.id}", "verb": "complete"}},
        {{"callback": "cb_unknown", "verb": "complete"}},
        {{"callback": "\\u2603", "verb": "complete"}},
        {{"callback": "{fourth.id}", "verb": "complete"}}
    ]}}"""

    reply = await house.post("/v1/answers", content=text.encode())

    results = reply.json()["results"]
    assert reply.status_code == 200
    assert [one["status"] for one in results] == [202, 200, 202, 400, 409, 404, 404, 202]
    assert [one["callback"] for one in results][:2] == [first.id, second.id]
    assert results[0]["receipt"]["state"] == "accepted"
    assert "message" in results[3]["problem"]["detail"]
    assert outcome_of(await house.found(first.id)) == Completed(b'{ "n": 1.10 }')
    assert outcome_of(await house.found(fourth.id)) == Completed(None)


async def test_one_answer_that_is_too_large_is_refused_alone(house: House) -> None:
    large, small = await house.asked(), await house.asked()
    answers = [
        {"callback": large.id, "verb": "complete", "body": "x" * LIMIT},
        {"callback": small.id, "verb": "complete", "body": "x"},
    ]

    reply = await house.post("/v1/answers", json={"answers": answers})

    assert [one["status"] for one in reply.json()["results"]] == [413, 202]


async def test_thousand_answers_take_few_commits(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    callbacks = [await house.asked() for _ in range(1000)]
    answers = [{"callback": one.id, "verb": "complete", "body": 1} for one in callbacks]

    with caplog.at_level(logging.INFO):
        reply = await house.post("/v1/answers", json={"answers": answers})

    assert {one["status"] for one in reply.json()["results"]} == {202}
    # A commit is a line of the log.
    told = [one.__dict__["callback_ids"] for one in caplog.records if "accepted" in one.msg]
    assert sum(len(ids.split()) for ids in told) == 1000
    assert len(told) < 20


async def test_large_request_is_read_like_a_small_one(house: House) -> None:
    callbacks = [await house.asked() for _ in range(4)]
    body = LARGE // 4 * "x"
    answers = [{"callback": one.id, "verb": "complete", "body": body} for one in callbacks]

    reply = await house.post("/v1/answers", json={"answers": answers})

    assert {one["status"] for one in reply.json()["results"]} == {202}


async def test_request_over_the_limit_returns_413(house: House) -> None:
    reply = await house.post("/v1/answers", content=b" " * (4 * 1024 * 1024 + 1))

    assert reply.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"answers": []}',
        b'{"answers": {}}',
        b'{"answers": [1]}',
        b'{"answers": [{"callback": "cb_1", "verb": "extend"}]}',
        b'{"answers": [{"callback": "cb_1", "verb": "complete", "result": 1}]}',
    ],
)
async def test_malformed_list_of_answers_is_refused_completely(house: House, body: bytes) -> None:
    reply = await house.post("/v1/answers", content=body)

    assert reply.status_code == 422


async def test_more_than_a_thousand_answers_are_refused(house: House) -> None:
    answers = [{"callback": "cb_1", "verb": "complete"}] * 1001

    reply = await house.post("/v1/answers", json={"answers": answers})

    assert reply.status_code == 422


async def test_last_of_two_members_with_one_name_counts(house: House) -> None:
    callback = await house.asked()
    one = f'{{"callback": "{callback.id}", "verb": "complete", "body": 1, "body": 2}}'
    body = f'{{"answers": [], "answers": [{one}, {one}]}}'

    reply = await house.post("/v1/answers", content=body.encode())

    assert {each["status"] for each in reply.json()["results"]} <= {200, 202}
    assert outcome_of(await house.found(callback.id)) == Completed(b"2")
