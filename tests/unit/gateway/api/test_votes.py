"""Programs vote for people by name, and operators change who is asked."""

import json
from typing import Any

import httpx2
import pytest

from ringback.core.operations import link_to
from ringback.domain.api_key import Role
from ringback.domain.callback import Callback, State
from ringback.domain.outcome import Completed
from ringback.domain.policy import LONGEST_REASON, Policy, RequireReason
from tests.unit.gateway.house import House

BOTH = Policy(assignees=("user:ada", "group:finance"), approvals=2)
LIMIT = {
    "$defs": {"Limit": {"type": "integer", "maximum": 10}},
    "type": "object",
    "properties": {"n": {"$ref": "#/$defs/Limit"}},
    "required": ["n"],
    "additionalProperties": False,
}


def path_of(callback: Callback, end: str = "votes") -> str:
    return f"/v1/callbacks/{callback.id}/{end}"


def link_url(house: House, callback: Callback) -> str:
    return house.keyring.url("", link_to(callback, key_id="k1"))


def problems(reply: httpx2.Response) -> list[str]:
    assert reply.status_code == 422, reply.text
    return [one["pointer"] for one in reply.json()["errors"]]


async def decided(house: House, callback: Callback) -> dict[str, Any]:
    accepted = (await house.found(callback.id)).accepted
    assert accepted is not None
    assert isinstance(accepted.outcome, Completed)
    decision = json.loads(accepted.outcome.result or b"")
    assert isinstance(decision, dict)
    return decision


async def test_wrong_reason_and_wrong_form_are_reported_together(house: House) -> None:
    policy = Policy(require_reason=RequireReason.ALWAYS)
    callback = await house.asked(policy=policy, result_schema=json.dumps(LIMIT))
    body = {"by": "ada", "approved": True, "form": {"n": 11}}

    by_key = await house.post(path_of(callback), json=body)
    del body["by"]
    by_link = await house.http.post(link_url(house, callback), json=body)

    assert problems(by_key) == problems(by_link) == ["/reason", "/form/n"]


async def test_votes_count_until_the_quorum_decides(house: House) -> None:
    callback = await house.asked(policy=BOTH)
    path = path_of(callback)

    first = await house.post(path, json={"by": "Ada", "approved": True, "reason": "fine"})
    again = await house.post(path, json={"by": "ada", "approved": True, "reason": "fine"})
    listed = await house.get(path)
    last = await house.post(path, json={"by": "bob", "groups": ["Finance"], "approved": True})

    assert (first.status_code, first.json()["state"]) == (202, "open")
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert listed.json() == {
        "votes": [
            {
                "by": "Ada",
                "approved": True,
                "reason": "fine",
                "proof": "API key",
                "via": "operator",
                "digest": callback.subject.digest,
                "at": "2030-01-01T00:00:00Z",
            }
        ]
    }
    assert (last.status_code, last.json()["state"]) == (202, "accepted")
    assert [vote["by"] for vote in (await decided(house, callback))["votes"]] == ["Ada", "bob"]


async def test_waiting_voter_gets_the_verdict(house: House) -> None:
    callback = await house.asked(policy=Policy())

    reply = await house.post(
        path_of(callback), json={"by": "ada", "approved": True}, headers={"prefer": "wait=5"}
    )

    assert (reply.status_code, reply.json()["state"]) == (200, "applied")


async def test_form_keeps_its_bytes(house: House) -> None:
    callback = await house.asked(policy=Policy(is_decision=False))
    body = b'{"by": "ada", "result": { "n" : 1.10 }}'

    reply = await house.post(path_of(callback), content=body)

    assert reply.status_code == 202
    accepted = (await house.found(callback.id)).accepted
    assert accepted is not None
    assert accepted.outcome == Completed(b'{ "n" : 1.10 }')


@pytest.mark.parametrize(
    ("vote", "where"),
    [
        ({"approved": True}, ["/form"]),
        ({"approved": True, "form": None}, ["/form"]),
        ({"approved": True, "form": {}}, ["/form"]),
        ({"approved": True, "form": {"n": ""}}, ["/form/n"]),
        ({"approved": True, "form": {"n": 11}}, ["/form/n"]),
        ({"approved": True, "form": {"n": 1, "extra": 1}}, ["/form/extra"]),
        ({"approved": True, "form": {"n": 1}, "other": 1}, ["/other"]),
        ({"form": {"n": 1}}, ["/approved"]),
        ({"approved": None, "form": {"n": 1}}, ["/approved"]),
        ({"approved": True, "form": {"n": 1}, "reason": "\x00"}, ["/reason"]),
    ],
    ids=str,
)
async def test_invalid_vote_gets_the_same_422_by_key_and_by_link(
    house: House, vote: dict[str, Any], where: list[str]
) -> None:
    by_key = await house.asked(policy=Policy(), result_schema=json.dumps(LIMIT))
    by_link = await house.asked(policy=Policy(), result_schema=json.dumps(LIMIT))

    keyed = await house.post(path_of(by_key), json={"by": "ada", **vote})
    linked = await house.http.post(link_url(house, by_link), json=vote)

    assert problems(keyed) == problems(linked) == where
    for callback in (by_key, by_link):
        assert (await house.found(callback.id)).state is State.OPEN


@pytest.mark.parametrize(
    ("vote", "where"),
    [
        ({"by": "a\x00"}, "/by"),
        ({"by": "x" * 201}, "/by"),
        ({"by": "ada\u202e"}, "/by"),
        ({"by": "Link"}, "/by"),
        ({"by": "user:ada"}, "/by"),
        ({"by": "Group:ada"}, "/by"),
        ({"by": "key:another"}, "/by"),
        ({}, "/by"),
        ({"by": "ada", "approved": "yes"}, "/approved"),
        ({"by": "ada", "result": 1}, "/result"),
        ({"by": "ada", "form": 1, "result": 1}, ""),
        ({"by": "ada", "groups": "finance"}, "/groups"),
        ({"by": "ada", "reason": "x" * (LONGEST_REASON + 1)}, "/reason"),
        ({"by": "ada", "form": 1}, "/form"),
    ],
    ids=lambda value: ascii(value)[:40],
)
async def test_malformed_vote_is_refused(house: House, vote: dict[str, Any], where: str) -> None:
    callback = await house.asked(policy=Policy())

    reply = await house.post(path_of(callback), json={"approved": True, **vote})

    assert problems(reply) == [where]
    assert (await house.found(callback.id)).state is State.OPEN


async def test_result_is_not_approved_or_rejected(house: House) -> None:
    callback = await house.asked(policy=Policy(is_decision=False))

    for vote, where in [
        ({"by": "ada", "form": 1}, "/form"),
        ({"by": "ada", "result": 1, "approved": False}, "/approved"),
    ]:
        assert problems(await house.post(path_of(callback), json=vote)) == [where]


@pytest.mark.parametrize(
    ("vote", "status", "kind"),
    [
        ({"by": "cy"}, 403, "not-assigned"),
        ({"by": "ADA@example.org", "groups": ["finance"]}, 403, "not-assigned"),
        ({"by": "bob", "groups": ["finance"], "digest": "f" * 32}, 409, "subject-changed"),
        ({"by": "dan", "groups": ["finance"], "approved": False}, 409, "voted-differently"),
    ],
    ids=str,
)
async def test_refused_vote_says_why(
    house: House, vote: dict[str, Any], status: int, kind: str
) -> None:
    policy = Policy(assignees=("group:finance",), exclude=("ada@example.org",), approvals=2)
    callback = await house.asked(policy=policy)
    first = {"by": "dan", "groups": ["finance"], "approved": True}
    await house.post(path_of(callback), json=first)

    reply = await house.post(path_of(callback), json={"approved": True, **vote})

    assert (reply.status_code, reply.json()["type"]) == (status, f"urn:ringback:{kind}")


async def test_unknown_callback_has_no_votes(house: House) -> None:
    for reply in (
        await house.get("/v1/callbacks/cb_unknown/votes"),
        await house.post("/v1/callbacks/cb_unknown/votes", json={"by": "ada", "approved": True}),
        await house.call(Role.OPERATOR, "DELETE", "/v1/callbacks/cb_unknown/votes/ada"),
        await house.post("/v1/callbacks/cb_unknown/claim", json={"by": "ada"}),
        await house.post("/v1/callbacks/cb_unknown/release"),
        await house.post("/v1/callbacks/cb_unknown/reassign", json={"assignees": ["user:ada"]}),
        await house.post("/v1/callbacks/cb_unknown/details", json={"details": {}}),
    ):
        assert reply.status_code == 404


async def test_callback_without_rules_takes_no_vote(house: House) -> None:
    callback = await house.asked()

    reply = await house.post(path_of(callback), json={"by": "ada", "approved": True})

    assert (reply.status_code, reply.json()["type"]) == (422, "urn:ringback:malformed-request")


@pytest.mark.parametrize("user", ["Ada", "domain/ada", "ada@example.org", "a b"])
async def test_withdrawn_vote_no_longer_counts(house: House, user: str) -> None:
    callback = await house.asked(policy=Policy(approvals=2))
    await house.post(path_of(callback), json={"by": user, "approved": True})
    path = path_of(callback, f"votes/{user.upper().replace('/', '%2F').replace(' ', '%20')}")

    replies = [await house.call(Role.OPERATOR, "DELETE", path) for _ in range(2)]

    assert [reply.status_code for reply in replies] == [200, 200]
    assert (await house.get(path_of(callback))).json() == {"votes": []}
    await house.post(path_of(callback), json={"by": "bob", "approved": True})
    await house.post(path_of(callback), json={"by": "cy", "approved": True})
    assert (await house.call(Role.OPERATOR, "DELETE", path)).status_code == 410


async def test_late_retry_by_link_of_a_withdrawn_vote_gets_409(house: House) -> None:
    callback = await house.asked(policy=Policy(approvals=2, link_decides=True))
    by_link = link_url(house, callback)
    await house.http.post(by_link, json={"approved": True})
    withdrawn = await house.call(Role.OPERATOR, "DELETE", path_of(callback, "votes/link?ballot=0"))

    late = await house.http.post(by_link, json={"approved": True})
    again = await house.http.post(by_link, json={"approved": True, "ballot": 1})
    late_withdrawal = await house.call(
        Role.OPERATOR, "DELETE", path_of(callback, "votes/link?ballot=0")
    )

    assert withdrawn.json()["ballots"] == {"link": 1}
    assert (late.status_code, late.json()["type"]) == (409, "urn:ringback:vote-withdrawn")
    assert late.json()["ballot"] == 1
    assert (again.status_code, late_withdrawal.status_code) == (202, 200)
    assert len((await house.get(path_of(callback))).json()["votes"]) == 1


async def test_late_retry_by_key_needs_the_ballot_of_the_person(house: House) -> None:
    callback = await house.asked(policy=Policy(approvals=2))
    vote = {"by": "Ada", "approved": True}
    await house.post(path_of(callback), json=vote)
    await house.call(Role.OPERATOR, "DELETE", path_of(callback, "votes/ada"))

    late = await house.post(path_of(callback), json=vote)
    unknown = await house.post(path_of(callback), json={**vote, "ballot": 2})
    again = await house.post(path_of(callback), json={**vote, "ballot": late.json()["ballot"]})

    assert [one.status_code for one in (late, unknown, again)] == [409, 422, 202]
    assert problems(unknown) == ["/ballot"]


async def test_claim_keeps_others_out_until_it_is_released(house: House) -> None:
    callback = await house.asked(policy=Policy(assignees=("group:finance",)))
    group = {"groups": ["finance"]}

    claimed = await house.post(path_of(callback, "claim"), json={"by": "ada", **group})
    other = await house.post(path_of(callback, "claim"), json={"by": "bob", **group})
    vote = await house.post(path_of(callback), json={"by": "bob", "approved": True, **group})
    released = await house.post(path_of(callback, "release"))
    after = await house.post(path_of(callback), json={"by": "bob", "approved": True, **group})

    assert (claimed.status_code, claimed.json()["claimant"]) == (200, "ada")
    assert [reply.status_code for reply in (other, vote)] == [409, 409]
    assert (released.status_code, released.json()["claimant"]) == (200, None)
    assert after.status_code == 202


@pytest.mark.parametrize(
    "assignees", [[], ["ada"], ["user:dan"], ["user:dan"] * 101], ids=["none", "odd", "few", "many"]
)
async def test_reassignment_that_nobody_could_meet_is_refused(
    house: House, assignees: list[str]
) -> None:
    callback = await house.asked(policy=BOTH)

    reply = await house.post(path_of(callback, "reassign"), json={"assignees": assignees})

    assert problems(reply) == ["/assignees"]
    assert await house.found(callback.id) == callback


async def test_reassigned_callback_asks_only_the_new_people(house: House) -> None:
    callback = await house.asked(policy=BOTH)
    await house.post(path_of(callback), json={"by": "ada", "approved": True})

    reply = await house.post(
        path_of(callback, "reassign"), json={"assignees": ["user:cy", "user:dan"]}
    )

    assert reply.json()["policy"]["assignees"] == ["user:cy", "user:dan"]
    assert (await house.get(path_of(callback))).json() == {"votes": []}
    entries = (await house.get(path_of(callback, "audit"))).json()["entries"]
    assert entries[-1]["facts"]["removed_votes"] == ["ada"]


async def test_changed_details_have_a_new_digest(house: House) -> None:
    callback = await house.asked(policy=BOTH, details={"euros": 10})
    await house.post(path_of(callback), json={"by": "ada", "approved": True})

    reply = await house.post(path_of(callback, "details"), json={"details": {"euros": 11}})
    stale = await house.post(
        path_of(callback),
        json={"by": "ada", "approved": True, "digest": callback.subject.digest},
    )

    shown = (await house.get(f"/v1/callbacks/{callback.id}")).json()
    assert reply.json() == {"id": callback.id, "digest": shown["digest"]}
    assert shown["details"] == {"euros": 11}
    assert "details.euros" in stale.json()["detail"]
    assert (await house.get(path_of(callback))).json() == {"votes": []}


@pytest.mark.parametrize("details", [{"a": "x" * 17_000}, {"a": "\x00"}], ids=["long", "NUL"])
async def test_details_that_cannot_be_stored_are_refused(
    house: House, details: dict[str, Any]
) -> None:
    callback = await house.asked(policy=BOTH)

    assert problems(await house.post(path_of(callback, "details"), json={"details": details}))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("complete", {"approved": True}),
        ("fail", {"message": "no"}),
    ],
)
async def test_requester_does_not_get_around_the_rules_by_key_or_link(
    house: House, path: str, body: dict[str, Any]
) -> None:
    policy = Policy(exclude=("ada",), assignees=("group:finance",))
    callback = await house.asked(policy=policy)
    url = link_url(house, callback)

    by_id = await house.post(path_of(callback, path), json=body)
    by_link = await house.http.post(f"{url}/{path}", json=body)
    many = await house.post(
        "/v1/answers",
        json={"answers": [{"callback": callback.id, "verb": path, "body": body}]},
    )
    by_name = await house.post(
        path_of(callback), json={"by": "ADA", "groups": ["finance"], "approved": True}
    )

    assert [one.status_code for one in (by_id, by_link, by_name)] == [403, 403, 403]
    assert many.json()["results"][0]["status"] == 403
    assert (await house.found(callback.id)).state is State.OPEN


async def test_default_of_a_decision_fits_beside_the_schema_of_its_form(house: House) -> None:
    decision = {"approved": False, "reason": "late", "form": None, "is_default": True}
    options = {"policy": {}, "result_schema": LIMIT, "deadline": "1h"}

    good = await house.open(
        house.scheduled(), **options, on_deadline={"verb": "complete", "body": decision}
    )
    bad = await house.open(
        house.scheduled(), **options, on_deadline={"verb": "complete", "body": {"n": 1}}
    )

    assert (good.status_code, bad.status_code) == (200, 422)


async def test_holder_of_a_link_sees_no_votes(house: House) -> None:
    policy = Policy(assignees=("user:zoe@example.org",), approvals=1, veto=False)
    callback = await house.asked(policy=policy, details={"euros": 10})
    vote = {"by": "zoe@example.org", "approved": True, "reason": "between us"}
    await house.post(path_of(callback), json=vote)

    view = await house.http.get(link_url(house, callback))

    assert view.json()["digest"] == callback.subject.digest
    assert "between us" not in view.text
    assert "zoe" not in view.text


async def test_tag_of_a_view_changes_with_the_subject(house: House) -> None:
    callback = await house.asked(policy=BOTH, details={"euros": 10})
    url = link_url(house, callback)
    before = (await house.http.get(url)).headers["etag"]

    await house.post(path_of(callback, "details"), json={"details": {"euros": 11}})

    after = await house.http.get(url, headers={"if-none-match": before})
    assert (after.status_code, after.json()["details"]) == (200, {"euros": 11})


async def test_vote_longer_than_the_limit_is_refused(house: House) -> None:
    callback = await house.asked(policy=Policy())
    vote = {"by": "ada", "approved": True, "form": "x" * (2 * 1024 * 1024)}

    assert (await house.post(path_of(callback), json=vote)).status_code == 413
