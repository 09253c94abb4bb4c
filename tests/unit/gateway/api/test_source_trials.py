"""Operators try requests on a source; nothing is stored, and no signature is made."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from ringback.domain.api_key import Role
from tests import factories
from tests.fake_edges import LIMIT
from tests.unit.gateway.house import House, opened_house
from tests.unit.gateway.sources import CI, SECRET, run_of, signed, sources_of, tables

TOML: Final = f"""{CI}
[sources.many]
provider = "stripe"
secrets = ["env:SECRET"]
batch = "value"

[[sources.many.rules]]
when = "id == 'skip'"
action = "ignore"

[[sources.many.rules]]
key = "id"
action = "complete"
result = "total"
"""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened_house(sources=sources_of(tmp_path, TOML)) as house:
        yield house


async def tried(house: House, body: bytes, to: str = "ci", **headers: str) -> Any:
    """Try a request, which must store nothing; return the reply."""
    before = await tables(house.database)
    asked = {"body_base64": base64.b64encode(body).decode(), "headers": headers}
    reply = await house.post(f"/v1/sources/{to}/test", json=asked)
    assert reply.status_code == 200, reply.text
    assert await tables(house.database) == before
    return reply.json()


async def test_request_that_would_answer_is_explained(house: House) -> None:
    callback = await house.asked(aliases=("github:run:42",))

    found = await tried(house, run_of(), **signed(run_of()))

    assert found == {
        "verification": {"state": "verified", "reason": None, "message": "the secret 1 of 2 fits"},
        "events": [
            {
                "state": "waiting",
                "rule": 0,
                "action": "complete",
                "alias": "github:run:42",
                "answer": '"success"',
                "reason": None,
                "callback": {"id": callback.id, "state": "open", "problems": []},
            }
        ],
    }


async def test_events_without_a_callback_are_explained_one_by_one(house: House) -> None:
    body = b'{"value": [{"id": "a", "total": 1}, {"id": "skip"}, {"id": null}]}'

    found = await tried(house, body, "many")

    states = [(one["state"], one["rule"], one["alias"]) for one in found["events"]]
    assert states == [("waiting", 1, "a"), ("ignored", 0, None), ("dead", 1, None)]
    assert [one["callback"] for one in found["events"]] == [None] * 3
    assert found["events"][2]["reason"].startswith("rules[1].key: it must be a text")


async def test_without_headers_the_signature_is_not_checked(house: House) -> None:
    found = await tried(house, run_of())

    assert found["verification"]["state"] == "not checked"
    assert found["events"][0]["alias"] == "github:run:42"


async def test_result_that_the_callback_would_reject_is_shown(house: House) -> None:
    await house.asked(aliases=("github:run:42",), result_schema='{"type": "integer"}')

    (event,) = (await tried(house, run_of()))["events"]

    assert len(event["callback"]["problems"]) == 1


async def test_callback_that_has_ended_is_shown_with_its_state(house: House) -> None:
    callback = await house.asked(aliases=("github:run:42",))
    await house.store.expire([factories.expiry(callback, "timed out")])

    (event,) = (await tried(house, run_of()))["events"]

    assert (event["callback"]["id"], event["callback"]["state"]) == (callback.id, "expired")


async def test_wrong_signature_has_a_diagnosis_and_the_rules_are_still_shown(house: House) -> None:
    found = await tried(house, run_of(), **signed(b"another body"))

    assert found["verification"]["state"] == "refused"
    assert found["verification"]["reason"] == "signature_mismatch"
    assert found["events"][0]["alias"] == "github:run:42"


async def test_old_request_is_refused_with_its_age(house: House) -> None:
    at = int(house.clock.now().timestamp()) - timedelta(minutes=10).seconds
    digest = hmac.new(SECRET.encode(), f"{at}.{{}}".encode(), "sha256").hexdigest()

    found = await tried(house, b"{}", "many", **{"stripe-signature": f"t={at},v1={digest}"})

    assert found["verification"]["message"] == "the timestamp is 600 s old; the limit is 300 s"


@pytest.mark.parametrize("body", [run_of(), b"", b"null", b'{"challenge": "a"}'])
async def test_reply_never_has_a_right_signature(house: House, body: bytes) -> None:
    digest = hmac.new(SECRET.encode(), body, "sha256")
    wrong = {"x-hub-signature-256": "sha256=" + "0" * 64}

    for headers in ({}, wrong):
        text = json.dumps(await tried(house, body, **headers))
        for right in (digest.hexdigest(), base64.b64encode(digest.digest()).decode(), SECRET):
            assert right not in text


async def test_handshake_is_not_answered(tmp_path: Path) -> None:
    """X signs what a stranger chooses; an answer here would be a signature."""
    text = '[sources.x]\nprovider = "x"\nsecrets = ["env:SECRET"]\n'
    async with opened_house(sources=sources_of(tmp_path, text)) as house:
        asked = {"body": "token", "headers": {"x-twitter-webhooks-signature": "sha256=AAAA"}}
        reply = await house.post("/v1/sources/x/test", json=asked)

    digest = hmac.new(SECRET.encode(), b"token", "sha256").digest()
    assert reply.json()["verification"]["state"] == "refused"
    assert base64.b64encode(digest).decode() not in reply.text


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"body": "a", "body_base64": "YQ=="}, 422),
        ({"body": "a", "boddy": "a"}, 422),
        ({"body_base64": "not base64"}, 422),
        ({"body": "a" * (LIMIT + 1)}, 413),
    ],
)
async def test_unusable_request_is_refused(
    house: House, asked: dict[str, str], status: int
) -> None:
    assert (await house.post("/v1/sources/ci/test", json=asked)).status_code == status


async def test_trial_needs_an_operator_and_a_source(house: House) -> None:
    viewer = await house.post("/v1/sources/ci/test", Role.VIEWER, json={})
    unknown = await house.post("/v1/sources/nobody/test", json={})

    assert (viewer.status_code, unknown.status_code) == (403, 404)
