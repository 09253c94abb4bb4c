"""`GET /v1/summary` says whether anything is wrong, and what to do."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from ringback.domain.api_key import KeyId, Role
from ringback.domain.callback import State
from ringback.domain.event import EventState
from ringback.gateway import summary
from ringback.ports.events import NewEvent, SourceDelivery
from ringback.ports.notifications import Failure
from ringback.ports.webhooks import WebhookEnd, WebhookRetry
from tests import factories
from tests.contract.stores import in_state
from tests.unit.gateway.house import FullStore, House, opened_house
from tests.unit.gateway.sources import sources_of

ROOT: Final = Path(__file__).parents[4]
MINUTE: Final = timedelta(minutes=1)


async def read(house: House) -> dict[str, Any]:
    """Return the summary after the counts of the gateway are done."""
    reply = await house.get("/v1/summary")
    assert reply.status_code == 200
    found: dict[str, Any] = reply.json()
    return found


async def problems(house: House) -> dict[str, str]:
    """Return the message of each problem by its kind, in order."""
    found = await read(house)
    assert found["is_well"] == (not found["problems"])
    return {one["what"]: one["message"] for one in found["problems"]}


async def test_summary_without_problems_shows_counts() -> None:
    async with opened_house() as house:
        await house.asked()

        found = await read(house)

    assert found["is_well"]
    assert (found["store"], found["temporal"]) == ("ok", "ok")
    assert found["callbacks"]["open"] == 1
    assert next(iter(found["callbacks"])) == "open"
    assert found["oldest_undelivered_seconds"] is None


async def test_parked_answers_are_named_with_the_command_that_explains_them() -> None:
    async with opened_house() as house:
        parked = [(await in_state(house.store, State.PARKED)).id for _ in range(2)]

        (problem,) = (await read(house))["problems"]

    assert problem["message"] == f"2 answers are parked: {parked[0]} and 1 more"
    assert f"ringback show {parked[0]}" in problem["advice"]
    assert f"ringback redeliver {parked[0]}" in problem["advice"]
    assert problem["advice"].endswith(f"ringback give-up {parked[0]}")
    assert problem["page"] == "docs/howto/alerts.md#ringbackparked"


async def test_temporal_and_what_waits_for_it_are_both_problems() -> None:
    async with opened_house() as house:
        callback = await house.asked()
        house.activities.is_reachable = False
        await house.store.accept([factories.answer(callback.id)])
        house.clock.advance(90 * MINUTE)

        found = await problems(house)

    assert list(found) == ["temporal", "undelivered"]
    assert found["undelivered"] == "an accepted answer has waited 1 h for its delivery"


async def test_advice_on_an_undelivered_answer_names_the_callback_that_has_its_error() -> None:
    async with opened_house() as house:
        callback = await house.asked()
        house.activities.is_reachable = False
        await house.store.accept([factories.answer(callback.id)])
        house.clock.advance(MINUTE)

        _, problem = (await read(house))["problems"]

    assert f"ringback show {callback.id}" in problem["advice"]


async def test_link_key_that_open_callbacks_need_is_missed() -> None:
    async with opened_house() as house:
        await house.asked()
        well = await problems(house)
        lost = replace(factories.request(), key_id="lost")
        (callback,) = await house.store.open([lost])

        found = await problems(house)
        house.clock.advance(callback.link_expires_at - house.clock.now())
        later = await problems(house)

    assert well == {}
    assert list(found) == ["link keys"]
    assert found["link keys"].startswith("the link key lost of open callbacks is missing")
    assert "link keys" not in later


async def test_program_that_uses_a_revoked_key_is_named_for_an_hour() -> None:
    async with opened_house() as house:
        await house.store.revoke_key(KeyId("worker"))
        for _ in range(2):
            await house.get("/v1/whoami", Role.WORKER)

        (problem,) = (await read(house))["problems"]
        house.clock.advance(timedelta(hours=1, seconds=1))
        later = await problems(house)

    assert problem["message"] == (
        "a program uses the API key worker (worker, worker), which is revoked: 2 requests got 401"
    )
    assert problem["advice"].startswith("give it another key: ringback keys add --role worker")
    assert later == {}


async def test_overdue_callbacks_are_a_problem_after_a_minute() -> None:
    async with opened_house() as house:
        callback = await house.asked(deadline=MINUTE)
        house.clock.advance(MINUTE)
        at_once = await problems(house)
        house.clock.advance(5 * MINUTE)

        later = await problems(house)

    assert at_once == {}
    assert later == {"overdue": f"1 open callback is overdue, the longest by 5 min: {callback.id}"}


async def test_failing_webhooks_are_counted() -> None:
    async with opened_house() as house:
        callback = await house.asked(notify_url="https://a.example/hook")
        await house.store.accept([factories.answer(callback.id)])
        await house.store.settle([factories.settlement(await house.found(callback.id))])
        (webhook,) = await house.store.claim_webhooks(limit=1, lease=MINUTE)
        retry = WebhookRetry(webhook.id, webhook.tries, MINUTE, "HTTP 500")
        await house.store.postpone_webhooks([retry])

        found = await problems(house)

    assert list(found) == ["webhooks"]


async def test_webhook_that_was_given_up_names_its_callback() -> None:
    async with opened_house() as house:
        callback = await house.asked(notify_url="https://a.example/hook")
        await house.store.accept([factories.answer(callback.id)])
        await house.store.settle([factories.settlement(await house.found(callback.id))])
        (webhook,) = await house.store.claim_webhooks(limit=1, lease=MINUTE)
        await house.store.end_webhooks([WebhookEnd(webhook.id, "HTTP 500")])

        found = await problems(house)

    assert found == {"webhooks": f"1 webhook was given up in the last 24 hours: {callback.id}"}


async def test_message_to_a_person_that_was_given_up_names_its_open_callback() -> None:
    async with opened_house() as house:
        callback = await house.asked(notify=("chat",))
        (claimed,) = await house.store.claim_notifications(limit=1, lease=MINUTE)
        await house.store.fail_notification(Failure(claimed, "no such channel", wait=None))

        found = await problems(house)

    said = f"messages through chat were given up, and 1 question is still open: {callback.id}"
    assert found == {"notifications": said}


async def test_queue_that_is_not_connected_is_a_problem() -> None:
    async with opened_house() as house:
        house.edges.hooks.queue_changed("payments", is_connected=True)
        house.edges.hooks.queue_changed("orders", is_connected=False)

        found = await problems(house)

    assert found == {"queue": "the queue orders is not connected"}


async def test_store_that_cannot_be_read_is_the_first_problem() -> None:
    async with opened_house() as house:
        # The key is cached from here on.
        await read(house)
        house.database.is_available = False
        house.activities.is_reachable = False
        house.clock.advance(timedelta(seconds=2))

        found = await read(house)

    assert [one["what"] for one in found["problems"]] == ["store", "temporal"]
    assert (found["store"], found["callbacks"]) == ("unavailable", None)


async def test_store_that_cannot_be_written_is_the_first_problem() -> None:
    async with opened_house(FullStore) as house:
        await in_state(house.store, State.PARKED)

        found = await read(house)

    assert [one["what"] for one in found["problems"]] == ["store", "parked"]
    assert found["store"] == "not writable"
    assert found["problems"][0]["page"] == "docs/howto/alerts.md#ringbackstorecannotwrite"


async def test_refusals_and_dead_events_of_a_source_are_problems(tmp_path: Path) -> None:
    async with opened_house(sources=sources_of(tmp_path)) as house:
        for _ in range(10):
            await house.http.post("/in/ci", json={})
        dead = NewEvent(factories.event_id(), EventState.DEAD, reason="rules[0].key: no text")
        delivery = SourceDelivery("default", "ci", "digest", "k", {}, b"{}", (dead,))
        await house.store.store_deliveries([delivery])

        found = (await read(house))["problems"]

    assert [one["what"] for one in found] == ["source", "events"]
    assert "refused 10 requests" in found[0]["message"]
    assert found[1]["page"] == "docs/howto/alerts.md#ringbackdeadevents"


def test_every_page_that_a_problem_names_exists() -> None:
    code = Path(summary.__file__).read_text("utf-8")
    alerts = (ROOT / "docs/howto/alerts.md").read_text("utf-8").lower()

    named = re.findall(r'f"\{_ALERTS\}(\w+)"', code)

    assert len(named) > 5
    assert [one for one in named if f"## ringback{one}\n" not in alerts] == []
