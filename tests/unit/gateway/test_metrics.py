"""`/metrics`: what every door counts, and what it never shows."""

import re
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest

from ringback.domain.api_key import KeyId, Role
from ringback.domain.link import Link
from ringback.gateway.metrics_endpoint import metrics_app
from tests import factories
from tests.loops import idle
from tests.unit.gateway.house import FullStore, House, opened_house


async def read(house: House, path: str = "/metrics") -> dict[str, float]:
    """Return the value of each series."""
    reply = await house.http.get(path)
    assert reply.status_code == 200
    lines = [line for line in reply.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


async def test_answers_by_link_are_counted_by_result() -> None:
    async with opened_house() as house:
        callback = await house.asked()
        link = Link(callback.id, callback.verbs, callback.link_expires_at, callback.key_id)
        path = f"/c/{house.keyring.sign(link)}"
        for body in ("1", "1", "2"):
            await house.http.post(path, json=body)
        await house.http.post("/c/forged", json=1)
        await house.http.post(path, content=b"{")

        found = await read(house)

    results = {result: found[f'ringback_answers_total{{result="{result}"}}'] for result in RESULTS}
    assert results == {"accepted": 1, "duplicate": 1, "conflict": 1, "refused": 2}
    assert {name: value for name, value in found.items() if "refused_total" in name} == {
        'ringback_answers_refused_total{reason="answered-differently"}': 1,
        'ringback_answers_refused_total{reason="malformed-answer"}': 1,
        'ringback_answers_refused_total{reason="unknown-callback"}': 1,
    }
    assert found['ringback_commit_size_count{kind="answers"}'] >= 1


RESULTS = ("accepted", "duplicate", "conflict", "refused")


async def test_refusals_of_the_operator_api_are_counted_too() -> None:
    async with opened_house() as house:
        await house.post("/v1/callbacks/cb_unknown/complete", json=1)
        await house.post("/v1/callbacks/cb_unknown/complete", content=b"{")
        answers = [{"callback": "no id", "verb": "complete", "body": 1}]
        await house.post("/v1/answers", json={"answers": answers})

        found = await read(house)

    assert found['ringback_answers_refused_total{reason="unknown-callback"}'] == 2
    assert found['ringback_answers_refused_total{reason="malformed-answer"}'] == 1


async def test_metrics_have_no_id_link_workflow_or_value() -> None:
    async with opened_house() as house:
        callback = await house.asked(title="the title", aliases=("the:alias",))
        link = Link(callback.id, callback.verbs, callback.link_expires_at, callback.key_id)
        signed = house.keyring.sign(link)
        await house.http.post(f"/c/{signed}", json="the payload")
        await house.http.post(f"/c/{signed}x", json="the payload")

        text = (await house.http.get("/metrics")).text

    secret = (
        "cb_",
        signed[:8],
        "the payload",
        "the title",
        "the:",
        callback.ref.workflow_id,
        callback.ref.run_id,
    )
    assert [one for one in secret if one in text] == []
    # Whatever it is called: no label value is as long as an id.
    assert max(map(len, re.findall(r'="([^"]*)"', text))) <= 24


async def test_scrape_without_a_store_shows_that_it_is_away() -> None:
    async with opened_house() as house:
        house.database.is_available = False

        found = await read(house)

    assert (found["ringback_store_up"], found["ringback_store_writable"]) == (0, 0)
    assert "ringback_events_waiting" not in found


async def test_store_that_accepts_no_writes_shows_before_a_sender_comes() -> None:
    async with opened_house() as house, opened_house(FullStore) as full:
        writable, found = await read(house), await read(full)

    shown = ("ringback_store_up", "ringback_store_writable")
    assert [writable[one] for one in shown] == [1, 1]
    assert [found[one] for one in shown] == [1, 0]


async def test_rejected_api_keys_are_counted_by_what_is_wrong_with_them() -> None:
    async with opened_house() as house:
        await house.store.revoke_key(KeyId("worker"))
        await house.get("/v1/whoami", Role.WORKER)
        await house.http.get("/v1/whoami", headers={"authorization": "Bearer rbk_nobody_guessed"})
        await house.http.get("/v1/whoami")

        found = await read(house)

    name = "ringback_rejected_api_keys_total"
    assert found[f'{name}{{result="revoked"}}'] == 1
    assert found[f'{name}{{result="unknown"}}'] == 1


async def test_missing_link_key_shows_once_the_callbacks_are_counted() -> None:
    async with opened_house() as house:
        await house.store.open([replace(factories.request(), key_id="lost")])
        await read(house)
        await idle()

        found = await read(house)

    assert found["ringback_link_keys_missing"] == 1


async def test_heartbeats_by_link_are_counted_when_stored_and_when_sent() -> None:
    async with opened_house() as house:
        callback = await house.asked()
        link = Link(callback.id, callback.verbs, callback.link_expires_at, callback.key_id)
        await house.http.post(f"/c/{house.keyring.sign(link)}/heartbeat", json=1)

        found = await read(house)

    assert found["ringback_heartbeats_received_total"] == 1
    assert found["ringback_heartbeats_sent_total"] == 1


async def test_metrics_on_a_port_of_their_own_are_not_on_the_gateways() -> None:
    async with opened_house(has_metrics_route=False) as house:
        assert (await house.http.get("/metrics")).status_code == 404


async def test_age_of_the_oldest_undelivered_outcome_grows() -> None:
    async with opened_house() as house:
        callback = await house.asked()
        house.activities.is_reachable = False
        link = Link(callback.id, callback.verbs, callback.link_expires_at, callback.key_id)
        reply = await house.http.post(f"/c/{house.keyring.sign(link)}", json=1)
        house.clock.advance(timedelta(seconds=42))

        found = await read(house)

    assert reply.status_code == 202
    assert found["ringback_oldest_undelivered_age_seconds"] == 42


@pytest.mark.parametrize(("path", "status"), [("/metrics", 200), ("/healthz", 200), ("/c/x", 404)])
async def test_port_of_metrics_serves_nothing_else(path: str, status: int) -> None:
    async def render() -> bytes:
        return b"ringback_store_up 1\n"

    transport = httpx2.ASGITransport(app=metrics_app(render))
    async with httpx2.AsyncClient(transport=transport, base_url="http://metrics") as http:
        reply = await http.get(path)

    assert reply.status_code == status
