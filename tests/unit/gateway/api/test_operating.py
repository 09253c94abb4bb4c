"""Operators extend, revoke, redeliver, give up and create links."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.callback import Callback, State
from ringback.domain.link import Verb
from ringback.domain.outcome import to_body
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


async def parked(house: House) -> Callback:
    callback = await house.asked()
    await house.store.accept([factories.answer(callback.id)])
    await house.store.settle([
        factories.settlement(await house.found(callback.id), State.PARKED, {"reason": "a test"})
    ])
    return callback


async def test_parked_answer_of_an_ended_activity_is_given_up(house: House) -> None:
    callback = await parked(house)
    house.activities.close_workflow(callback.ref, how="workflow terminated")
    path, body = f"/v1/callbacks/{callback.id}", {"by": "ada", "reason": "it was deleted"}

    reply = await house.post(f"{path}/give-up", json=body)
    again = await house.post(f"{path}/give-up")

    assert (reply.status_code, reply.json()["state"]) == (200, "superseded")
    assert (again.status_code, again.json()) == (200, reply.json())
    entries = (await house.get(f"{path}/audit")).json()["entries"]
    assert [one["kind"] for one in entries[-2:]] == ["given up", "superseded"]
    assert entries[-2]["facts"] == {"by": "operator", "name": "ada", "reason": "it was deleted"}
    assert (await house.get("/v1/summary")).json()["is_well"]


async def test_give_up_is_refused_while_the_activity_waits(house: House) -> None:
    callback = await parked(house)

    reply = await house.post(f"/v1/callbacks/{callback.id}/give-up")

    assert (reply.status_code, reply.json()["type"]) == (409, "urn:ringback:still-needed")
    assert f"ringback redeliver {callback.id}" in reply.json()["detail"]
    assert (await house.found(callback.id)).state is State.PARKED


async def test_give_up_returns_503_while_temporal_is_away(house: House) -> None:
    callback = await parked(house)
    house.activities.is_reachable = False

    reply = await house.post(f"/v1/callbacks/{callback.id}/give-up")

    assert reply.status_code == 503
    assert reply.headers["retry-after"]
    assert (await house.found(callback.id)).state is State.PARKED


async def test_give_up_without_its_temporal_needs_the_word_of_the_operator(house: House) -> None:
    callback = await parked(house)
    house.activities.unserved = frozenset({callback.ref.namespace})
    path = f"/v1/callbacks/{callback.id}/give-up"

    refused = await house.post(path, json={})
    given_up = await house.post(path, json={"temporal_is_gone": True})

    assert refused.status_code == 503
    assert "--temporal-is-gone" in refused.json()["detail"]
    assert (given_up.status_code, given_up.json()["state"]) == (200, "superseded")


@pytest.mark.parametrize(
    "body", [{"by": ""}, {"by": 1}, {"reason": "x" * 1001}, {"temporal_is_gone": "yes"}, {"at": 1}]
)
async def test_invalid_request_to_give_up_is_refused(house: House, body: Any) -> None:
    callback = await parked(house)

    reply = await house.post(f"/v1/callbacks/{callback.id}/give-up", json=body)

    assert reply.status_code == 422
    assert (await house.found(callback.id)).state is State.PARKED


async def test_sender_of_an_answer_that_was_given_up_learns_so(house: House) -> None:
    callback = await parked(house)
    house.activities.forget(callback.ref)
    await house.post(f"/v1/callbacks/{callback.id}/give-up")
    body = to_body(factories.answer(callback.id).outcome)

    again = await house.post(
        f"/v1/callbacks/{callback.id}/complete", content=body, headers={"prefer": "wait=1"}
    )

    assert again.status_code == 410
    assert "an operator gave it up" in again.json()["reason"]


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
