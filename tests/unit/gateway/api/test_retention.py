"""Operators export what has ended, and delete it."""

from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.api_key import Role
from ringback.domain.outcome import Completed
from tests import factories
from tests.unit.gateway.house import House, opened_house

HOUR = timedelta(hours=1)


async def applied(house: House) -> str:
    """Return a callback whose answer was applied an hour ago."""
    callback = await house.asked()
    await house.store.accept([factories.answer(callback.id, Completed(b'{"hush": 1}'))])
    await house.store.settle([factories.settlement(await house.found(callback.id))])
    house.clock.advance(HOUR)
    return callback.id


async def ended_page(house: House, **filters: Any) -> dict[str, Any]:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    reply = await house.get(f"/v1/ended?{query}")
    assert reply.status_code == 200
    page: dict[str, Any] = reply.json()
    return page


async def purged(house: House, **body: Any) -> dict[str, Any]:
    reply = await house.post("/v1/purge", json=body)
    assert reply.status_code == 200
    result: dict[str, Any] = reply.json()
    return result


async def test_purge_deletes_what_is_old_enough(house: House) -> None:
    callback_id = await applied(house)

    early = await purged(house, older_than="2h")
    result = await purged(house, older_than=3600)

    assert early["rows"] == {}
    assert result["rows"]["callbacks"] == result["rows"]["outcomes"] == 1
    assert callback_id not in await house.store.find([factories.callback_id()])
    assert (await house.get(f"/v1/callbacks/{callback_id}")).status_code == 404


async def test_purge_goes_on_where_the_last_batch_ended(house: House) -> None:
    for _ in range(110):
        await applied(house)
    after, deleted, requests = None, 0, 0

    while requests == 0 or after is not None:
        result = await purged(house, older_than="1h", **({"after": after} if after else {}))
        deleted += result["rows"].get("callbacks", 0)
        after = result["after"]
        requests += 1

    assert deleted == 110
    assert requests > 2


async def test_dry_run_deletes_nothing(house: House) -> None:
    callback_id = await applied(house)

    result = await purged(house, older_than="1h", dry_run=True)

    assert result["rows"]["callbacks"] == 1
    assert (await house.get(f"/v1/callbacks/{callback_id}")).status_code == 200


async def test_exported_record_is_deleted_unless_it_has_changed(house: House) -> None:
    callback_id = await applied(house)
    page = await ended_page(house, older_than="1h")
    (record,) = page["records"]
    await house.store.store_evidence([factories.answer(record["id"], Completed(b"2"))])

    changed = await purged(house, older_than="1h", exported={callback_id: record["version"]})
    (record,) = (await ended_page(house, older_than="1h"))["records"]
    same = await purged(house, older_than="1h", exported={callback_id: record["version"]})

    assert record["rows"]["outcomes"][0]["body"] == '{"hush": 1}'
    assert "token" not in str(record["rows"]["callbacks"])
    assert changed["rows"] == {}
    assert same["rows"]["callbacks"] == 1


@pytest.mark.parametrize(
    "body",
    [
        *[{"kind": "keys"}, {"older_than": 0}, {"older_than": "soon"}, {"after": "?"}, {"x": 1}],
        *[{"after": "a.b.c", "older_than": 1}, {"exported": {"?": 1}}, {"dry_run": "perhaps"}],
        {"after": "1.99999999999999999999.x", "older_than": 1},
    ],
)
async def test_unusable_request_is_refused(house: House, body: dict[str, Any]) -> None:
    reply = await house.post("/v1/purge", json=body)

    assert reply.status_code == 422


async def test_age_is_that_of_the_gateway_by_default() -> None:
    async with opened_house(keep_ended_for=HOUR) as house:
        await applied(house)

        result = await purged(house)

    assert result["rows"]["callbacks"] == 1


async def test_gateway_that_keeps_all_forever_needs_an_age(house: House) -> None:
    reply = await house.post("/v1/purge", json={})

    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"] == "/older_than"


@pytest.mark.parametrize("role", [Role.WORKER, Role.VIEWER])
async def test_payloads_are_exported_to_operators_only(house: House, role: Role) -> None:
    reply = await house.get("/v1/ended?older_than=1h", role)

    assert reply.status_code == 403
