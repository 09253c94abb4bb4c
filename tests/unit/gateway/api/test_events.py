"""Operators look at events, and replay them after they corrected a rule."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ringback.domain.api_key import Role
from ringback.domain.outcome import Completed
from ringback.sources.queue_config import load_queues
from tests.contract.events import delivery, event
from tests.loops import idle
from tests.unit.core.callbacks import reload
from tests.unit.gateway.house import House, opened_house
from tests.unit.gateway.sources import CI, SECRET, run_of, signed, sources_of

SECOND = timedelta(seconds=1)
QUEUES = """
[queues.plain]
url = "amqp://127.0.0.1"
queue = "answers"
trusted = true

[queues.ruled]
url = "amqp://127.0.0.1"
queue = "orders"
trusted = true

[[queues.ruled.rules]]
key = "id"
action = "complete"
result = "total"

[queues.public]
url = "amqp://127.0.0.1"
queue = "public"
"""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    path = tmp_path / "queues.toml"
    path.write_text(QUEUES, "utf-8")
    async with opened_house(sources=sources_of(tmp_path), queues=load_queues(path, {})) as house:
        yield house


async def send(house: House, body: bytes) -> dict[str, Any]:
    """Send a body as the provider does; return the newest event once nothing moves."""
    reply = await house.http.post("/in/ci", content=body, headers=signed(body))
    assert reply.is_success
    return await newest(house)


async def newest(house: House) -> dict[str, Any]:
    await idle()
    found: dict[str, Any] = (await house.get("/v1/events?limit=1")).json()["events"][0]
    return found


def correct(house: House, folder: Path, old: str, new: str) -> None:
    """Restart the gateway, so to speak, with another rule."""
    assert old in CI
    house.app.state.gateway.source_door.sources = sources_of(folder, CI.replace(old, new))


async def test_event_is_shown_with_its_request(house: House) -> None:
    sent = await send(house, run_of())

    shown = (await house.get(f"/v1/events/{sent['id']}")).json()

    assert shown == {
        **sent,
        "ended_at": None,
        "answer": '"success"',
        "position": 0,
        "siblings": 1,
        "headers": {"content-type": "application/json", "x-github-event": "workflow_run"},
        "size": len(run_of()),
        "body": run_of().decode(),
        "body_base64": None,
    }


async def test_body_that_is_no_text_is_shown_in_base64(house: House) -> None:
    sent = await send(house, b"\xff\x00")

    shown = (await house.get(f"/v1/events/{sent['id']}")).json()

    assert (shown["body"], base64.b64decode(shown["body_base64"])) == (None, b"\xff\x00")


async def test_viewer_sees_no_bodies(house: House) -> None:
    sent = await send(house, run_of())

    refused = await house.get(f"/v1/events/{sent['id']}", Role.VIEWER)

    assert refused.status_code == 403
    assert "success" not in (await house.get("/v1/events", Role.VIEWER)).text


async def test_dead_event_answers_after_its_rule_was_corrected(
    house: House, tmp_path: Path
) -> None:
    callback = await house.asked(aliases=("github:run:42",), result_schema='{"type": "integer"}')
    dead = await send(house, run_of("7"))
    correct(house, tmp_path, "workflow_run.conclusion", "to_number(workflow_run.conclusion)")

    reply = await house.post(f"/v1/events/{dead['id']}/replay")

    assert (dead["state"], reply.status_code) == ("dead", 200)
    assert (reply.json()["state"], reply.json()["answer"]) == ("waiting", "7")
    assert reply.json()["reason"] == f"replayed; it was dead: {dead['reason']}"
    after = await newest(house)
    assert (after["state"], after["callback_id"], after["tries"]) == ("matched", callback.id, 1)
    accepted = (await reload(house.store, callback)).accepted
    assert accepted is not None
    assert accepted.outcome == Completed(b"7")


async def test_replay_to_another_callback_than_before_must_be_asked_for(
    house: House, tmp_path: Path
) -> None:
    first = await house.asked(aliases=("github:run:42",), result_schema='{"type": "integer"}')
    dead = await send(house, run_of("7"))
    correct(house, tmp_path, "workflow_run.conclusion", "to_number(workflow_run.conclusion)")
    await house.store.remove_alias(first.id, "github:run:42", by="k1")
    second = await house.asked(aliases=("github:run:42",), result_schema='{"type": "integer"}')

    refused = await house.post(f"/v1/events/{dead['id']}/replay")
    unchanged = await newest(house)
    replayed = await house.post(f"/v1/events/{dead['id']}/replay?to_current=true")

    assert (refused.status_code, replayed.status_code) == (409, 200)
    assert f"it was for {first.id}" in refused.json()["detail"]
    assert unchanged["state"] == "dead"
    assert (await newest(house))["callback_id"] == second.id


async def test_ignored_event_waits_for_an_alias_after_its_rule_was_corrected(
    house: House, tmp_path: Path
) -> None:
    body = run_of().replace(b"completed", b"ended")
    ignored = await send(house, body)
    correct(house, tmp_path, "action == 'completed'", "action == 'ended'")

    await house.post(f"/v1/events/{ignored['id']}/replay")
    waits = await newest(house)
    callback = await house.asked(aliases=("github:run:42",))
    house.clock.advance(SECOND)

    assert (ignored["state"], waits["state"]) == ("ignored", "waiting")
    assert waits["alias"] == "github:run:42"
    assert (await newest(house))["callback_id"] == callback.id


async def test_event_that_no_rule_uses_even_now_says_so(house: House) -> None:
    ignored = await send(house, b"{}")

    reply = await house.post(f"/v1/events/{ignored['id']}/replay")

    assert reply.json()["state"] == "ignored"
    assert reply.json()["reason"] == "no rule applies (replayed; it was ignored: no rule applies)"


async def test_matched_event_is_not_replayed(house: House) -> None:
    callback = await house.asked(aliases=("github:run:42",))
    matched = await send(house, run_of())

    reply = await house.post(f"/v1/events/{matched['id']}/replay")

    assert reply.status_code == 409
    assert reply.json()["detail"] == "it is matched: its callback has accepted it"
    assert (await newest(house))["callback_id"] == callback.id


async def test_event_of_a_source_that_is_gone_is_not_replayed(house: House) -> None:
    ignored = await send(house, b"{}")
    house.app.state.gateway.source_door.sources = {}

    reply = await house.post(f"/v1/events/{ignored['id']}/replay")

    assert reply.status_code == 409
    assert "write [sources.ci] or [queues.ci] again" in reply.json()["detail"]


async def lost(house: House, queue: str, alias: str | None, body: bytes, **headers: str) -> str:
    """Store an event of a queue that was not used; return its id."""
    waiting = event(alias, body=b'"of the message"', wait=timedelta(0))
    received = delivery(waiting, body=body)
    await house.store.store_deliveries([replace(received, source=queue, headers=headers)])
    await idle()
    house.clock.advance(SECOND)
    await idle()
    return waiting.id


@pytest.mark.parametrize(
    ("queue", "alias", "state", "answer"),
    [
        ("plain", "a", "waiting", '"of the message"'),
        ("plain", None, "ignored", None),
        ("ruled", "a", "waiting", "7"),
        ("ruled", None, "waiting", "7"),
    ],
)
async def test_message_of_a_queue_is_replayed_with_its_own_alias_or_by_the_rules(
    house: House, queue: str, alias: str | None, state: str, answer: str | None
) -> None:
    event_id = await lost(house, queue, alias, b'{"id": "a", "total": 7}')

    reply = await house.post(f"/v1/events/{event_id}/replay")

    assert reply.status_code == 200
    assert (reply.json()["state"], reply.json()["answer"]) == (state, answer)


async def test_message_that_named_its_alias_is_replayed_with_it_and_not_by_rules(
    house: House,
) -> None:
    body = b'{"id": "a", "total": 7}'
    event_id = await lost(house, "ruled", "b", body, **{"ringback-alias": "b"})

    reply = await house.post(f"/v1/events/{event_id}/replay")

    assert (reply.json()["alias"], reply.json()["answer"]) == ("b", '"of the message"')


async def test_message_of_a_queue_that_is_not_trusted_is_not_replayed(house: House) -> None:
    event_id = await lost(house, "public", None, b"{}")

    reply = await house.post(f"/v1/events/{event_id}/replay")

    assert reply.status_code == 409
    assert "not trusted" in reply.json()["detail"]


@pytest.mark.parametrize("event_id", ["ev_unknown", "x" * 64])
async def test_unknown_event_is_not_found(house: House, event_id: str) -> None:
    shown = await house.get(f"/v1/events/{event_id}")
    replayed = await house.post(f"/v1/events/{event_id}/replay")

    assert (shown.status_code, replayed.status_code) == (404, 404)
    assert shown.json()["type"] == "urn:ringback:unknown-event"


async def test_replay_is_logged_with_the_key_and_without_the_payload(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    sent = await send(house, run_of().replace(b"completed", b"ended"))
    caplog.set_level("INFO")

    await house.post(f"/v1/events/{sent['id']}/replay")

    (logged,) = [vars(one) for one in caplog.records if one.getMessage() == "event replayed"]
    facts = (logged["event_id"], logged["source"], logged["key"])
    assert facts == (sent["id"], "ci", "operator")
    assert not any(text in str(logged) for text in ("workflow_run", SECRET))
