"""What everybody gets who asks for a callback that was deleted."""

from datetime import timedelta

import pytest

from ringback.domain.link import Verb
from ringback.domain.policy import Policy
from ringback.ports.retention import RecordKind
from tests import factories
from tests.unit.gateway.conftest import HouseWithCallback

HOUR = timedelta(hours=1)
VERBS = ["", "/complete", "/fail", "/heartbeat", "/cancel"]
PAGE = {"accept": "text/html"}
GONE = "urn:ringback:deleted-callback"


async def purge(house: HouseWithCallback, callback_id: str) -> None:
    """End a callback, and delete it an hour later."""
    callback = await house.found(callback_id)
    await house.store.expire([factories.expiry(callback)])
    house.clock.advance(HOUR)
    counts = await house.store.ended[RecordKind.CALLBACKS].purge([callback_id], HOUR)
    assert counts["callbacks"] == 1


@pytest.mark.parametrize("verb", VERBS)
async def test_answer_by_link_returns_410(house: HouseWithCallback, verb: str) -> None:
    await purge(house, house.callback.id)

    reply = await house.http.post(house.path() + verb, json={"message": "no"})

    assert reply.status_code == 410
    assert reply.json()["type"] == GONE
    assert "was deleted" in reply.json()["detail"]


async def test_repeated_answer_returns_410(house: HouseWithCallback) -> None:
    first = await house.http.post(house.path(), json=1)
    answered = await house.now()
    await house.store.settle([factories.settlement(answered)])
    duplicate = await house.http.post(house.path(), json=1)
    house.clock.advance(HOUR)
    await house.store.ended[RecordKind.CALLBACKS].purge([house.callback.id], HOUR)

    gone = await house.http.post(house.path(), json=1)

    assert (first.status_code, duplicate.status_code, gone.status_code) == (202, 200, 410)


async def test_status_and_page_of_the_link_return_410(house: HouseWithCallback) -> None:
    await purge(house, house.callback.id)

    seen = await house.http.get(house.path())
    head = await house.http.head(house.path())
    page = await house.http.get(house.path(), headers=PAGE)

    assert seen.json()["type"] == GONE
    assert [one.status_code for one in (seen, head, page)] == [410] * 3
    assert "This is over" in page.text
    assert "was deleted" in page.text


async def test_vote_by_link_returns_410(house: HouseWithCallback) -> None:
    question = await house.asked(policy=Policy(link_decides=True))
    path = f"/c/{house.keyring.sign(factories.link(to=question.id))}"
    await purge(house, question.id)

    assert (await house.http.post(path, json={"approved": True})).status_code == 410


@pytest.mark.parametrize("verb", VERBS)
async def test_edited_or_expired_link_still_returns_404(
    house: HouseWithCallback, verb: str
) -> None:
    await purge(house, house.callback.id)
    good = house.path()
    edited = good[:-1] + ("A" if good[-1] != "A" else "B")
    paths = [edited, house.path(expires_in=-HOUR), house.path(verbs=frozenset({Verb.VIEW}))]

    replies = [await house.http.post(path + verb, json={"message": "no"}) for path in paths]

    assert {reply.status_code for reply in replies} == {404}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("GET", ""), ("GET", "/audit"), ("GET", "/votes"), ("POST", "/complete")],
        *[
            ("POST", "/redeliver"),
            ("POST", "/give-up"),
            ("POST", "/revoke"),
            ("POST", "/heartbeat"),
        ],
    ],
)
async def test_operator_api_returns_404(house: HouseWithCallback, method: str, path: str) -> None:
    await purge(house, house.callback.id)
    url = f"/v1/callbacks/{house.callback.id}{path}"

    reply = await (house.get(url) if method == "GET" else house.post(url))

    assert reply.status_code == 404


async def test_answer_by_alias_returns_404(house: HouseWithCallback) -> None:
    callback = await house.asked(aliases=["run:1"])
    await house.store.expire([factories.expiry(callback)])
    ended = await house.post("/v1/aliases/run:1/complete", json=1)
    await purge_of(house, callback.id)

    gone = await house.post("/v1/aliases/run:1/complete", json=1)

    assert (ended.status_code, gone.status_code) == (410, 404)


async def purge_of(house: HouseWithCallback, callback_id: str) -> None:
    house.clock.advance(HOUR)
    await house.store.ended[RecordKind.CALLBACKS].purge([callback_id], HOUR)


async def test_list_does_not_name_it(house: HouseWithCallback) -> None:
    await purge(house, house.callback.id)

    reply = await house.get("/v1/callbacks?state=expired")

    assert reply.json()["callbacks"] == []
