"""Votes survive a kill of the gateway between commit and reply, and an outage of Temporal."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from temporalio.client import Client

from ringback import Decision
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.core.services import caught
from ringback.domain.ids import CallbackId
from tests.acceptance.deciding import asking, open_question, vote
from tests.acceptance.marks import on_both_stores
from tests.acceptance.programs import LIMIT_SECONDS, Program
from tests.acceptance.site import Site
from tests.polling import pause

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]


async def vote_and_kill(site: Site, callback_id: str, user: str, gateway: Program) -> None:
    """Give the deciding vote, and kill the gateway after the commit but before its reply."""
    async with asyncio.TaskGroup() as group:
        # Temporal is away, so there is no verdict to reply with.
        voting = group.create_task(caught(vote(site, callback_id, user, prefer="wait=30")))
        await until_stored(site, callback_id, user)
        await gateway.kill()
    assert isinstance(voting.result(), httpx2.TransportError)


async def until_stored(site: Site, callback_id: str, user: str) -> None:
    id_ = CallbackId(callback_id)
    async with opened_store(site.settings, SystemClock()) as store:
        async with asyncio.timeout(LIMIT_SECONDS):
            while user not in [one.user for one in (await store.votes([id_])).get(id_, ())]:
                await pause()


async def until_overdue(site: Site, callback_id: str) -> None:
    async with opened_store(site.settings, SystemClock()) as store:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await store.are_overdue([CallbackId(callback_id)]):
                await pause()


async def result_of(site: Site, name: str) -> Mapping[str, Any]:
    client = await Client.connect(site.temporal_address)
    async with asking(site), asyncio.timeout(LIMIT_SECONDS):
        result: Mapping[str, Any] = await client.get_workflow_handle(name).result()
        return result


@on_both_stores
async def test_votes_around_a_kill_of_the_gateway_count_once(site: Site) -> None:
    async with site.temporal(), site.gateway(temporal="ok"):
        callback_id = await open_question(site, "killed")

    async with site.gateway(temporal="unreachable") as gateway:
        first = await vote(site, callback_id, "ada")
        await gateway.kill()
    async with site.gateway(temporal="unreachable") as gateway:
        again = await vote(site, callback_id, "ada")
        await vote_and_kill(site, callback_id, "bob", gateway)
    async with site.temporal(), site.gateway(temporal="ok"):
        last = await vote(site, callback_id, "bob", prefer="wait=30")
        late = await vote(site, callback_id, "cy")
        decision = await result_of(site, "killed")

    assert (first.status_code, first.json()["state"]) == (202, "open")
    assert (again.status_code, again.json()["state"], again.json()["duplicate"]) == (
        200,
        "open",
        True,
    )
    assert (last.status_code, last.json()["state"], last.json()["duplicate"]) == (
        200,
        "applied",
        True,
    )
    assert late.status_code == 409
    assert decision["approved"] is True
    assert [one["by"] for one in decision["votes"]] == ["ada", "bob"]


async def test_people_decide_while_temporal_is_away_and_the_answer_arrives_later(
    site: Site,
) -> None:
    async with site.temporal(), site.gateway(temporal="ok"):
        callback_id = await open_question(site, "away")

    async with site.gateway(temporal="unreachable"):
        replies = [
            await vote(site, callback_id, "ada"),
            await vote(site, callback_id, "bob", approved=False),
        ]
    async with site.temporal(), site.gateway(temporal="ok"):
        decision = await result_of(site, "away")

    assert [one.json()["state"] for one in replies] == ["open", "accepted"]
    assert (decision["approved"], decision["by"]) == (False, "bob")


async def test_votes_at_the_deadline_and_the_default_answer_leave_one_outcome(site: Site) -> None:
    late = Decision(approved=False, reason="no decision in time")
    async with site.temporal(), site.gateway(temporal="ok"):
        names = [f"deadline-{number}" for number in range(8)]
        options = {"deadline": timedelta(seconds=8), "on_deadline": late}
        ids = [await open_question(site, name, **options) for name in names]

        async def vote_when(callback_id: str, user: str, *, is_over: bool) -> httpx2.Response:
            """Vote in time, or as soon as the store says that the deadline has passed."""
            if is_over:
                await until_overdue(site, callback_id)
            return await vote(site, callback_id, user)

        async with asyncio.TaskGroup() as group:
            voting = [
                (
                    group.create_task(vote_when(id_, "ada", is_over=False)),
                    group.create_task(vote_when(id_, "bob", is_over=number % 4 > 0)),
                )
                for number, id_ in enumerate(ids)
            ]
        decisions = [await result_of(site, name) for name in names]

    for (_, second), decision in zip(voting, decisions, strict=True):
        reply = second.result()
        if decision["is_default"]:
            assert (decision["approved"], decision["votes"]) == (False, [])
            assert reply.status_code == 410 or reply.json()["state"] == "open"
        else:
            assert sorted(one["by"] for one in decision["votes"]) == ["ada", "bob"]
