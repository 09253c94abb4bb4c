"""Aliases over HTTP: changes, searches, and answers by alias."""

from urllib.parse import quote

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.domain.alias import Alias
from ringback.domain.api_key import Role
from ringback.domain.callback import State
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.domain.policy import Policy
from tests import factories
from tests.fake_edges import BASE
from tests.unit.gateway.house import PROBLEM, House, opened_house

RUN = "github:run:42"


def path_of(alias: str, verb: str = "complete") -> str:
    return f"/v1/aliases/{quote(alias, safe='')}/{verb}"


def refusal(reply: httpx2.Response) -> tuple[int, str]:
    assert reply.headers["content-type"] == PROBLEM
    return reply.status_code, reply.json()["title"]


@pytest.mark.parametrize(
    ("verb", "body", "outcome"),
    [
        ("complete", b'{ "n" : 1.10 }', Completed(b'{ "n" : 1.10 }')),
        ("complete", b"", Completed(None)),
        ("fail", b'{"message": "no", "details": 1e99}', Failed("no", details=b"[1e99]")),
        ("cancel", b'"asked"', Canceled(b'"asked"')),
    ],
)
async def test_answer_by_alias_equals_an_answer_by_link(
    house: House, verb: str, body: bytes, outcome: Outcome
) -> None:
    callback = await house.asked(aliases=(RUN,))
    house.activities.request_cancel(callback.ref)

    reply = await house.post(path_of(RUN, verb), content=body)

    accepted = (await house.found(callback.id)).accepted
    assert reply.status_code == 202
    assert reply.json()["callback"] == callback.id
    assert reply.json()["status_url"] == f"{BASE}/v1/callbacks/{callback.id}"
    assert accepted is not None
    assert accepted.outcome == outcome


async def test_repeated_and_late_answer_get_the_replies_of_a_link_until_the_end(
    house: House,
) -> None:
    callback = await house.asked(aliases=(RUN,))
    house.activities.is_reachable = False
    first = await house.post(path_of(RUN), json=1)

    again = await house.post(path_of(RUN), json=1)
    other = await house.post(path_of(RUN), json=2)

    by_id = await house.post(f"/v1/callbacks/{callback.id}/complete", json=2)
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert again.json()["accepted_at"] == first.json()["accepted_at"]
    assert refusal(other) == refusal(by_id) == (409, "answered differently")


async def test_alias_of_an_ended_callback_returns_410_with_its_last_callback(house: House) -> None:
    callback = await house.asked(aliases=(RUN,))
    applied = await house.post(path_of(RUN), json=1, headers={"prefer": "wait=5"})

    replies = [
        *[await house.post(path_of(RUN, verb), json=1) for verb in ("complete", "heartbeat")],
        await house.get(f"/v1/aliases/{RUN}"),
    ]

    assert applied.json()["state"] == "applied"
    for reply in replies:
        assert refusal(reply) == (410, "alias freed")
        assert reply.json()["callback"] == callback.id
        assert f"it led to {callback.id} of workflow" in reply.json()["detail"]


async def test_unknown_alias_returns_404_with_its_name(house: House) -> None:
    reply = await house.post(path_of("orders/17"), json=1)

    assert refusal(reply) == (404, "unknown alias")
    assert "the alias 'orders/17' is not in use in the namespace" in reply.json()["detail"]


async def test_heartbeat_by_alias_returns_the_reply_of_temporal(house: House) -> None:
    callback = await house.asked(aliases=(RUN,))
    house.activities.request_cancel(callback.ref)

    reply = await house.post(path_of(RUN, "heartbeat"), json={"progress": 1})

    assert reply.json()["cancel_requested"] is True
    assert house.activities.heartbeats == [(callback.ref, b'{"progress":1}')]


async def test_people_decide_at_the_door_of_aliases_too(house: House) -> None:
    callback = await house.asked(aliases=(RUN,), policy=Policy(assignees=("user:ada",)))

    alone = await house.post(path_of(RUN), json=1)
    body = {"answers": [{"alias": RUN, "verb": "complete", "body": 1}]}
    batch = await house.post("/v1/answers", json=body)

    assert refusal(alone) == (403, "people decide")
    assert [one["status"] for one in batch.json()["results"]] == [403]
    assert (await house.found(callback.id)).state is State.OPEN


async def test_opening_with_an_alias_in_use_returns_409_with_its_owner(house: House) -> None:
    owner = await house.asked(aliases=(RUN,))
    ref = house.scheduled()

    reply = await house.open(ref, aliases=["b", RUN])

    assert refusal(reply) == (409, "alias in use")
    assert reply.json()["callback"] == owner.id
    assert reply.json()["workflow_id"] == owner.ref.workflow_id
    assert owner.id in reply.json()["detail"]
    retried = await house.open(ref, aliases=["b"])
    assert (await house.found(retried.json()["id"])).options.aliases == ("b",)


async def test_opening_stores_each_alias_once(house: House) -> None:
    ref = house.scheduled()

    first = await house.open(ref, aliases=["b", RUN, "b"])
    again = await house.open(ref, aliases=["b", RUN, "b"])

    assert first.json()["id"] == again.json()["id"]
    shown = await house.get(f"/v1/callbacks/{first.json()['id']}")
    assert shown.json()["aliases"] == ["b", RUN]


@pytest.mark.parametrize("aliases", [["a"] * 21, ["x" * 201], ["a\tb"], [" a"], [".."], "a"])
async def test_unusable_alias_is_refused_when_opening(house: House, aliases: object) -> None:
    reply = await house.open(house.scheduled(), aliases=aliases)

    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"].startswith("/options/aliases")


@pytest.mark.parametrize("role", [Role.WORKER, Role.OPERATOR])
async def test_alias_can_be_added_and_removed_and_both_are_safe_to_repeat(
    house: House, role: Role
) -> None:
    callback = await house.asked()
    path = f"/v1/callbacks/{callback.id}/aliases/{quote('orders/17', safe='')}"

    added = [await house.call(role, "PUT", path) for _ in range(2)]
    found = await house.get(f"/v1/aliases/{quote('orders/17', safe='')}")
    removed = [await house.call(role, "DELETE", path) for _ in range(2)]

    assert [one.status_code for one in (*added, *removed)] == [200] * 4
    assert [one.json()["aliases"] for one in added] == [["orders/17"]] * 2
    assert found.json()["id"] == callback.id
    assert [one.json()["aliases"] for one in removed] == [[]] * 2
    entries = (await house.get(f"/v1/callbacks/{callback.id}/audit")).json()["entries"]
    assert [(one["kind"], one["facts"]) for one in entries[1:]] == [
        ("alias added", {"alias": "orders/17", "by": role.value}),
        ("alias removed", {"alias": "orders/17", "by": role.value}),
    ]


async def test_alias_in_use_cannot_be_added_to_another_callback(house: House) -> None:
    owner, other = await house.asked(aliases=(RUN,)), await house.asked()

    reply = await house.call(Role.WORKER, "PUT", f"/v1/callbacks/{other.id}/aliases/{RUN}")

    assert refusal(reply) == (409, "alias in use")
    assert reply.json()["callback"] == owner.id


async def test_ended_or_unknown_callback_gets_no_alias(house: House) -> None:
    ended = await house.asked()
    await house.store.expire([factories.expiry(ended, "timed out")])

    late = await house.call(Role.WORKER, "PUT", f"/v1/callbacks/{ended.id}/aliases/{RUN}")
    unknown = await house.call(Role.WORKER, "PUT", f"/v1/callbacks/cb_unknown/aliases/{RUN}")

    assert refusal(late) == (410, "expired callback")
    assert refusal(unknown) == (404, "unknown callback")


async def test_list_finds_callbacks_by_alias(house: House) -> None:
    callback = await house.asked(aliases=(RUN,))
    await house.asked(aliases=("github:run:43",))

    reply = await house.get("/v1/callbacks", params={"alias": RUN})

    assert [one["id"] for one in reply.json()["callbacks"]] == [callback.id]


async def test_each_of_many_answers_names_its_callback_by_id_or_alias(house: House) -> None:
    first, second = await house.asked(aliases=(RUN,)), await house.asked()
    body = {
        "answers": [
            {"alias": RUN, "verb": "complete", "body": 1},
            {"callback": second.id, "verb": "complete", "body": 2},
            {"alias": "unknown", "verb": "complete"},
            {"alias": "a\nb", "verb": "complete"},
        ]
    }

    reply = await house.post("/v1/answers", json=body)

    results = reply.json()["results"]
    assert [one["status"] for one in results] == [202, 202, 404, 422]
    assert [one["callback"] for one in results] == [first.id, second.id, None, None]
    assert [one["alias"] for one in results] == [RUN, None, "unknown", "a\nb"]


@pytest.mark.parametrize("name", [{}, {"callback": "cb_1", "alias": RUN}])
async def test_answer_with_no_name_or_two_is_refused(house: House, name: dict[str, str]) -> None:
    reply = await house.post("/v1/answers", json={"answers": [{**name, "verb": "complete"}]})

    assert reply.status_code == 422


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()))
async def test_every_alias_arrives_unchanged_in_a_path(text: str) -> None:
    try:
        Alias(text)
    except ValueError:
        return
    async with opened_house() as house:
        callback = await house.asked(aliases=(text,))

        reply = await house.post(path_of(text), json=1)

        assert reply.json()["callback"] == callback.id
