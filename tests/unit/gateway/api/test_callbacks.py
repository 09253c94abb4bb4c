"""The list with its filters and pages, one callback, and its entries."""

import json
from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.api_key import Role
from ringback.domain.callback import State
from ringback.domain.link import Verb
from tests import factories
from tests.unit.gateway.house import House

HOUR = timedelta(hours=1)


async def ids(house: House, **asked: Any) -> list[str]:
    reply = await house.get("/v1/callbacks", Role.VIEWER, params=asked)
    assert reply.status_code == 200, reply.text
    return [one["id"] for one in reply.json()["callbacks"]]


async def test_list_has_pages_until_next_is_null(house: House) -> None:
    opened = [(await house.asked()).id for _ in range(5)]
    pages: list[list[str]] = []
    after: dict[str, str] = {}

    for _ in range(3):
        reply = await house.get("/v1/callbacks", params={"limit": 2, **after})
        pages.append([one["id"] for one in reply.json()["callbacks"]])
        after = {"after": reply.json()["next"]}

    assert pages == [opened[:2], opened[2:4], opened[4:]]
    assert after == {"after": None}


async def test_full_last_page_has_no_next(house: House) -> None:
    await house.asked()

    reply = await house.get("/v1/callbacks", params={"limit": 1})

    assert (len(reply.json()["callbacks"]), reply.json()["next"]) == (1, None)


async def test_list_without_a_state_has_callbacks_that_have_not_ended(house: House) -> None:
    waiting, over = await house.asked(), await house.asked()
    await house.store.expire([factories.expiry(over)])

    assert await ids(house) == [waiting.id]
    assert await ids(house, state="expired") == [over.id]
    assert await ids(house, state=["expired", "open"]) == [waiting.id, over.id]


async def test_each_filter_finds_only_matching_callbacks(house: House) -> None:
    old = await house.asked(tags=("vip",), deadline=HOUR)
    house.clock.advance(2 * HOUR)
    new = await house.asked(tags=("eu",))

    assert await ids(house, workflow_id=new.ref.workflow_id) == [new.id]
    assert await ids(house, workflow_type="Order") == [old.id, new.id]
    assert await ids(house, workflow_type="Another") == []
    assert await ids(house, activity_type="another") == []
    assert await ids(house, tag="vip") == [old.id]
    assert await ids(house, opened_after=new.opened_at.isoformat()) == [new.id]
    assert await ids(house, opened_before=new.opened_at.isoformat()) == [old.id]
    assert await ids(house, older_than="PT1H") == [old.id]
    assert await ids(house, older_than=7200) == [old.id]
    assert await ids(house, overdue="true") == [old.id]
    assert await ids(house, overdue="true", tag="eu") == []


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"state": "closed"}, "state"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"opened_after": "yesterday"}, "opened_after"),
        ({"opened_after": "2030-01-01T00:00:00"}, "opened_after"),
        ({"older_than": "-1"}, "older_than"),
        ({"overdue": "perhaps"}, "overdue"),
        ({"workflow": "order-1"}, "workflow"),
        ({"tag": "\x00"}, "tag"),
    ],
)
async def test_invalid_filter_returns_422_with_its_name(
    house: House, asked: dict[str, Any], name: str
) -> None:
    reply = await house.get("/v1/callbacks", params=asked)

    assert reply.status_code == 422
    assert {one["pointer"] for one in reply.json()["errors"]} == {name}


async def test_callback_is_shown_without_the_body_of_its_answer(house: House) -> None:
    callback = await house.asked(title="Charge", tags=("vip",), metadata={"order": 1})
    await house.store.accept([factories.answer(callback.id)])

    shown = (await house.get(f"/v1/callbacks/{callback.id}", Role.VIEWER)).json()

    assert (shown["id"], shown["state"]) == (callback.id, State.ACCEPTED.value)
    assert (shown["title"], shown["tags"], shown["metadata"]) == ("Charge", ["vip"], {"order": 1})
    assert shown["outcome"]["kind"] == "completed"
    assert "body" not in shown["outcome"]
    assert shown["workflow_id"] == callback.ref.workflow_id


async def test_audit_trail_shows_what_happened(house: House) -> None:
    callback = await house.asked()
    await house.post(f"/v1/callbacks/{callback.id}/fail", json={"message": "no"})

    told = (await house.get(f"/v1/callbacks/{callback.id}/audit", Role.VIEWER)).json()["entries"]

    assert [entry["kind"] for entry in told][:2] == ["opened", "accepted"]
    assert (await house.get("/v1/callbacks/cb_unknown/audit")).status_code == 404


async def test_audit_trail_contains_no_bodies_of_refused_answers(house: House) -> None:
    callback = await house.asked()
    path = f"/v1/callbacks/{callback.id}"
    await house.post(f"{path}/complete", json={"first": 1})
    await house.post(f"{path}/complete", json={"card": "4111-SECRET"})
    await house.post(f"{path}/fail", json={"message": "no", "details": ["5222-SECRET"]})

    told = await house.get(f"{path}/audit", Role.VIEWER)

    lost = [one for one in told.json()["entries"] if one["kind"] == "answered differently"]
    assert [one["facts"]["kind"] for one in lost] == ["completed", "failed"]
    assert "SECRET" not in told.text
    kept = await house.store.audit_trail(callback.id)
    assert sum("SECRET" in str(entry.facts) for entry in kept) == 2


async def test_callback_is_shown_with_the_schema_and_an_example_of_its_result(
    house: House,
) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    typed = await house.asked(result_schema=json.dumps(schema))
    free = await house.asked()

    shown = [(await house.get(f"/v1/callbacks/{one.id}")).json() for one in (typed, free)]
    listed = (await house.get("/v1/callbacks")).json()["callbacks"]

    assert [one["result_schema"] for one in shown] == [schema, None]
    assert [one["result_example"] for one in shown] == [{"ok": True}, None]
    assert not any("result_schema" in one for one in listed)


async def test_check_says_what_is_wrong_with_a_result_and_stores_nothing(house: House) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    typed = await house.asked(result_schema=json.dumps(schema))
    free = await house.asked()

    wrong = await house.post(f"/v1/callbacks/{typed.id}/check", json={"ok": "yes"})
    good = await house.post(f"/v1/callbacks/{typed.id}/check", json={"ok": True})
    anything = await house.post(f"/v1/callbacks/{free.id}/check", json={"ok": "yes"})

    assert [one["pointer"] for one in wrong.json()["problems"]] == ["/ok"]
    assert good.json() == anything.json() == {"problems": []}
    assert (await house.post("/v1/callbacks/cb_no/check", json=1)).status_code == 404
    assert (await house.post(f"/v1/callbacks/{typed.id}/check", Role.VIEWER)).status_code == 403
    assert [entry.kind.value for entry in await house.store.audit_trail(typed.id)] == ["opened"]
    assert (await house.found(typed.id)).state is State.OPEN


async def test_link_of_an_operator_shows_the_callback_until_it_expires(house: House) -> None:
    callback = await house.asked()
    wanted = {"verbs": ["view"], "for": "PT1H"}

    made = (await house.post(f"/v1/callbacks/{callback.id}/link", json=wanted)).json()

    assert made["allows"] == [Verb.VIEW.name.lower()]
    path = made["url"].removeprefix("https://ring.example")
    assert (await house.http.get(path)).status_code == 200
    assert (await house.http.post(path, json=1)).status_code == 404
    house.clock.advance(HOUR)
    assert (await house.http.get(path)).status_code == 404
