"""Operators extend, revoke, redeliver and create links."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.callback import State
from ringback.domain.link import Verb
from tests import factories
from tests.fake_edges import BASE
from tests.loops import idle
from tests.unit.gateway.house import House

HOUR = timedelta(hours=1)


async def test_extension_counts_from_now(house: House) -> None:
    callback = await house.asked(deadline=HOUR)
    house.clock.advance(HOUR / 2)

    reply = await house.post(f"/v1/callbacks/{callback.id}/extend", json={"within": "PT2H"})

    assert reply.status_code == 200
    assert (await house.found(callback.id)).deadline_at == house.clock.now() + 2 * HOUR


async def test_callback_without_its_own_deadline_cannot_be_extended(house: House) -> None:
    callback = await house.asked()

    reply = await house.post(f"/v1/callbacks/{callback.id}/extend", json={"within": 60})

    assert reply.status_code == 409
    assert "update-options" in reply.json()["detail"]


@pytest.mark.parametrize("body", [{}, {"within": 0}, {"within": "soon"}, {"until": 1}, [], 1])
async def test_extension_by_zero_is_refused(house: House, body: Any) -> None:
    callback = await house.asked(deadline=HOUR)

    reply = await house.post(f"/v1/callbacks/{callback.id}/extend", json=body)

    assert reply.status_code == 422


async def test_revoked_links_return_404(house: House) -> None:
    callback = await house.asked()
    old = (await house.post(f"/v1/callbacks/{callback.id}/link", json={})).json()["url"]
    path = old.removeprefix(BASE)
    assert (await house.http.get(path)).status_code == 200

    revoked = await house.post(f"/v1/callbacks/{callback.id}/revoke")
    new = (await house.post(f"/v1/callbacks/{callback.id}/link", json={})).json()["url"]

    assert revoked.status_code == 200
    assert (await house.http.get(path)).status_code == 404
    for verb in ("", "/complete", "/fail", "/cancel", "/heartbeat"):
        assert (await house.http.post(path + verb, json={"message": "x"})).status_code == 404
    assert (await house.http.post(new.removeprefix(BASE), json=1)).status_code == 202


async def test_worker_gets_a_valid_url_after_a_revocation(house: House) -> None:
    ref = house.scheduled()
    first = (await house.open(ref)).json()
    await house.post(f"/v1/callbacks/{first['id']}/revoke")

    second = (await house.open(ref)).json()

    assert second["id"] == first["id"]
    assert (await house.http.get(first["url"].removeprefix(BASE))).status_code == 404
    assert (await house.http.get(second["url"].removeprefix(BASE))).status_code == 200


async def test_parked_answer_is_delivered_again(house: House) -> None:
    callback = await house.asked()
    house.activities.is_busy = True
    await house.post(f"/v1/callbacks/{callback.id}/complete", json=1)
    await idle()
    parked = factories.settlement(await house.found(callback.id), State.PARKED)
    await house.store.settle([parked])
    house.activities.is_busy = False

    reply = await house.post(f"/v1/callbacks/{callback.id}/redeliver")

    assert (reply.status_code, reply.json()["state"]) == (200, "accepted")


async def test_only_parked_answers_are_delivered_again(house: House) -> None:
    callback = await house.asked()

    reply = await house.post(f"/v1/callbacks/{callback.id}/redeliver")

    assert reply.status_code == 409
    assert "open, not parked" in reply.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"verbs": ["everything"]},
        {"verbs": []},
        {"for": -1},
        {"until": "2031"},
        {"verbs": "view"},
    ],
)
async def test_invalid_link_request_is_refused(house: House, body: Any) -> None:
    callback = await house.asked()

    reply = await house.post(f"/v1/callbacks/{callback.id}/link", json=body)

    assert reply.status_code == 422


async def test_verb_that_the_own_link_does_not_allow_is_refused(house: House) -> None:
    asking = replace(factories.request(), verbs=frozenset({Verb.VIEW, Verb.COMPLETE}))
    (callback,) = await house.store.open([asking])
    path = f"/v1/callbacks/{callback.id}/link"

    refused = await house.post(path, json={"verbs": ["view", "cancel"]})
    made = await house.post(path, json={"verbs": ["view"]})

    assert refused.status_code == 422
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/verbs"]
    assert made.json()["allows"] == ["view"]
    assert made.headers["cache-control"] == "no-store"


async def test_audit_trail_names_the_key_of_each_change(house: House) -> None:
    callback = await house.asked(deadline=timedelta(hours=1))
    path = f"/v1/callbacks/{callback.id}"
    for act, body in (("extend", {"within": 60}), ("revoke", None), ("link", {})):
        await house.post(f"{path}/{act}", json=body)

    told = (await house.get(f"{path}/audit")).json()["entries"]

    by = {entry["kind"]: entry["facts"].get("by") for entry in told}
    assert by == {"opened": None} | dict.fromkeys(
        ["extended", "revoked", "link created"], "operator"
    )


async def test_only_operators_see_why_the_store_is_unavailable(house: House) -> None:
    callback = await house.asked()
    await house.get("/v1/callbacks")
    path = f"/c/{house.keyring.sign(factories.link(to=callback.id))}"
    house.database.is_available = False

    stranger = await house.http.get(path)
    operator = await house.get(f"/v1/callbacks/{callback.id}")

    assert (stranger.status_code, operator.status_code) == (503, 503)
    assert "memory store" not in stranger.text
    assert "memory store" in operator.json()["detail"]
    assert operator.headers["retry-after"]
