"""The inbox for programs with a key."""

from typing import Any

import pytest

from ringback.domain.api_key import Role
from ringback.domain.policy import Policy, Proof, Voter
from ringback.domain.vote import VoteRequest
from tests import factories
from tests.unit.gateway.house import House


async def listed(house: House, filters: str, role: Role = Role.VIEWER) -> list[str]:
    reply = await house.get(f"/v1/inbox{filters}", role)
    assert reply.status_code == 200, reply.text
    return [one["title"] for one in reply.json()["callbacks"]]


@pytest.fixture
async def asked(house: House) -> None:
    """Ada's question, one to finance, and one to everybody."""
    for title, assignees in [
        ("ada's", ("user:ada@example.org",)),
        ("finance's", ("group:finance",)),
        ("anybody's", ()),
    ]:
        await house.asked(title=title, policy=Policy(assignees=assignees))


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ("?user=ADA@example.org", ["ada's"]),
        ("?group=Finance&group=legal", ["finance's"]),
        ("?user=ada@example.org&group=finance", ["ada's"]),
        ("?user=ada@example.org&group=finance&scope=groups", ["finance's"]),
        ("", ["ada's", "finance's", "anybody's"]),
        ("?text=FINANCE", ["finance's"]),
        ("?show=decided", []),
        ("?show=overdue", []),
    ],
)
async def test_filters_choose_the_questions(house: House, filters: str, titles: list[str]) -> None:
    assert await listed(house, filters) == titles


@pytest.mark.usefixtures("asked")
async def test_pages_continue_where_the_one_before_ended(house: House) -> None:
    first: dict[str, Any] = (await house.get("/v1/inbox?limit=2", Role.VIEWER)).json()
    rest: dict[str, Any] = (
        await house.get(f"/v1/inbox?limit=2&after={first['next']}", Role.VIEWER)
    ).json()

    titles = [one["title"] for page in (first, rest) for one in page["callbacks"]]
    assert titles == ["ada's", "finance's", "anybody's"]
    assert rest["next"] is None


async def test_question_is_listed_with_its_votes(house: House) -> None:
    policy = Policy(assignees=("group:finance",), approvals=2)
    question = await house.asked(policy=policy)
    voter = Voter("bob@example.org", frozenset({"finance"}), Proof.SIGNED_IN)
    await house.store.vote([VoteRequest(question.id, factories.outcome_id(), voter)])

    (shown,) = (await house.get("/v1/inbox", Role.VIEWER)).json()["callbacks"]

    assert shown["votes"][0]["by"] == "bob@example.org"
    assert shown["digest"] == question.subject.digest


@pytest.mark.parametrize(
    "filters", ["?after=x", "?limit=0", "?limit=101", "?scope=ours", "?unknown=1", "?user="]
)
async def test_wrong_filter_is_refused(house: House, filters: str) -> None:
    assert (await house.get(f"/v1/inbox{filters}", Role.VIEWER)).status_code == 422


async def test_worker_key_may_not_list_an_inbox(house: House) -> None:
    assert (await house.get("/v1/inbox", Role.WORKER)).status_code == 403
    assert (await house.call(None, "GET", "/v1/inbox")).status_code == 401
