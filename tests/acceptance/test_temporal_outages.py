"""Temporal is away, stands still or takes little: answers are taken, and all get there."""

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx2
import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription, WorkflowHandle

from tests.acceptance.many_callbacks_worker import Ask, Questions
from tests.acceptance.programs import LIMIT_SECONDS, Program
from tests.acceptance.site import Site
from tests.polling import pause

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

WORKFLOWS: Final = 8
QUESTIONS_EACH: Final = 25
BYTES_EACH: Final = 50_000
AT_A_TIME: Final = 64
MEMORY_FACTOR: Final = 1.5
PROBES: Final = 12
"""More probes than that do not fit into the outage."""

NARROW: Final = (
    "--dynamic-config-value=frontend.namespaceRPS=10",
    "--dynamic-config-value=frontend.namespaceBurstRatio=1.0",
)

POSTPONED: Final = "delivery postponed"
COUNTS: Final = "SELECT count(claimed_by), sum(tries > 0), sum(state = 'applied') FROM outcomes"

CLAIMED: Final = """
    SELECT workflow_id, activity_id FROM callbacks JOIN outcomes ON callback_id = callbacks.id
    WHERE claimed_by IS NOT NULL AND state = 'accepted'
"""

Workflow: TypeAlias = WorkflowHandle[Any, Any]


def most_memory(program: Program) -> int:
    """Return the most that the program has had in memory so far, in bytes."""
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def counts(site: Site) -> tuple[int, int, int]:
    """Return how many deliveries are under way, have been begun, and have ended."""
    with closing(sqlite3.connect(site.data / "ringback.db")) as connection:
        claimed, begun, applied = connection.execute(COUNTS).fetchone()
        return claimed, begun, applied


def claimed(site: Site) -> set[tuple[str, str]]:
    """Return the workflow and the activity of all that is claimed and has no verdict."""
    with closing(sqlite3.connect(site.data / "ringback.db")) as connection:
        return set(connection.execute(CLAIMED))


async def under_way(site: Site, workflows: Sequence[Workflow]) -> int:
    """Return how many have been claimed and have not arrived at Temporal yet.

    What has arrived counts as claimed, too, until its verdict is kept together with others.
    """
    before = await asyncio.to_thread(claimed, site)
    told = await asyncio.gather(*(workflow.describe() for workflow in workflows))
    pending = ((one.id, each.activity_id) for one in told for each in waiting(one))
    return len(before.intersection(pending))


def waiting(told: WorkflowExecutionDescription) -> Iterable[PendingActivityInfo]:
    return told.raw_description.pending_activities


async def most_at_a_time(site: Site, workflows: Sequence[Workflow], *, until: int) -> int:
    """Return how many deliveries ran at the same time, once that number has ended."""
    most = applied = 0
    async with asyncio.timeout(60):
        while applied < until:
            most = max(most, await under_way(site, workflows))
            _, _, applied = await asyncio.to_thread(counts, site)
    return most


def answers_to(links: Sequence[str]) -> dict[str, str]:
    return {link: f"{link[-40:]}{'x' * BYTES_EACH}" for link in links}


async def test_hundreds_of_answers_survive_an_outage_within_the_concurrency_limit(
    site: Site,
) -> None:
    async with site.temporal() as temporal, site.gateway() as gateway, site.many_callbacks_worker():
        workflows = [await site.ask(Questions(QUESTIONS_EACH)) for _ in range(WORKFLOWS)]
        links = await site.service.next_links(WORKFLOWS * QUESTIONS_EACH)
        await site.until_submitted()
        before, half = most_memory(gateway), len(links) // 2
        first, second = answers_to(links[:half]), answers_to(links[half:])

        with temporal.frozen():
            replies = list(await site.answer_all(first))
            _, begun_while_frozen, _ = counts(site)
        await most_at_a_time(site, workflows, until=half)
        await temporal.kill()
        postponed = gateway.output.count(POSTPONED)
        replies += await site.answer_all(second)
        await gateway.times(POSTPONED, gateway.output.count(POSTPONED) + 2)
        begun_while_dead = gateway.output.count(POSTPONED) - postponed
        async with site.temporal():
            at_a_time = await most_at_a_time(site, workflows, until=len(links))
            ends = [end for workflow in workflows for end in await workflow.result()]
        memory = most_memory(gateway)

    assert {reply.status_code for reply in replies} == {202}
    assert sorted(ends) == sorted({**first, **second}.values())
    assert begun_while_frozen <= AT_A_TIME
    assert begun_while_dead <= AT_A_TIME + PROBES
    assert at_a_time <= AT_A_TIME
    assert memory < before * MEMORY_FACTOR


async def until_cancel_requested(workflow: Workflow) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            described = waiting(await workflow.describe())
            wanted = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
            if all(activity.state == wanted for activity in described):
                return
            await pause()


async def answer_patiently(site: Site, answers: Mapping[str, object]) -> None:
    """Answer one after the other, each as a patient sender does: until it is taken."""
    async with (
        asyncio.timeout(LIMIT_SECONDS),
        httpx2.AsyncClient(base_url=site.gateway_url, timeout=LIMIT_SECONDS) as http,
    ):
        for link, answer in answers.items():
            while (reply := await http.post(link, json=answer)).status_code != 202:
                assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")


async def test_overloaded_temporal_receives_every_answer_eventually(
    site: Site,
) -> None:
    numbers = range(15)
    # The test does not wait before it answers again, which the limit of a link would refuse.
    async with site.gateway(RINGBACK_LINK_RATE="0") as gateway:
        async with site.temporal(), site.many_callbacks_worker():
            workflow = await site.ask(Questions(3 * len(numbers)))
            links = await site.service.next_links(3 * len(numbers))
            await site.until_submitted()
            await workflow.signal(Ask.cancel_all)
            await until_cancel_requested(workflow)
        async with site.temporal(*NARROW), site.many_callbacks_worker():
            answers: dict[str, object] = {links[n]: n for n in numbers}
            failures = {
                f"{links[15 + n]}/fail": {"message": f"{n}", "non_retryable": True} for n in numbers
            }
            replies = await site.answer_all(answers | failures)
            await answer_patiently(site, {f"{links[30 + n]}/cancel": n for n in numbers})
            ends = await workflow.result()

    assert {reply.status_code for reply in replies} == {202}
    expected: list[object] = [{"failed": f"{n}"} for n in numbers]
    expected += [{"canceled": [n]} for n in numbers]
    assert sorted(map(str, ends)) == sorted(map(str, [*numbers, *expected]))
    assert "RESOURCE_EXHAUSTED" in gateway.output
