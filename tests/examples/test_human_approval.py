"""A person approves or rejects on a page or from a terminal, and the workflow goes on or ends."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from ringback import ActivityRef, AsyncCompletionClient
from tests.acceptance.command_line import Command
from tests.acceptance.programs import Program
from tests.acceptance.site import Site
from tests.examples.conftest import RunExample

pytestmark = [pytest.mark.server, pytest.mark.processes]

EXAMPLE = "human_approval.py"
QUESTION = "waits for you: "
LINK = "Decide here: "


@pytest.fixture(scope="module", autouse=True)
async def worker(
    run_example: RunExample,
    gateway: Program,  # noqa: ARG001 - it delivers what is decided
) -> AsyncIterator[Program]:
    async with run_example(EXAMPLE, "worker") as running:
        await running.line("Worker is running")
        yield running


@pytest.fixture
def order() -> str:
    return str(uuid4())


async def callback_id(worker: Program, order: str) -> str:
    """Return the id of the callback that the program asks the reviewer to decide on."""
    line = await worker.line(f"Order {order} over 250 euros {QUESTION}")
    return line.partition(QUESTION)[2]


async def decide(site: Site, *words: str) -> tuple[int, dict[str, Any], str]:
    """Return the exit code of a decision, its receipt if there is one, and all it printed."""
    ran = await Command(site)(*words, "--json", "--wait", "20")
    return ran.code, ran.json if ran.out else {}, ran.out + ran.err


async def attempts_of(site: Site, order: str) -> list[int]:
    """Return the attempts of every activity that the workflow's history shows."""
    handle: WorkflowHandle[Any, Any] = await site.handle_of(f"order-{order}")
    history = await handle.fetch_history()
    return [
        event.activity_task_started_event_attributes.attempt
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    ]


async def test_approved_order_is_fulfilled(
    site: Site, run_example: RunExample, worker: Program, order: str
) -> None:
    async with run_example(EXAMPLE, "order", order, "250") as placed:
        callback = await callback_id(worker, order)
        code, receipt, _ = await decide(site, "approve", callback, "--by", "ann")
        ended = await placed.end()

    assert (code, receipt["state"], receipt["duplicate"]) == (0, "applied", False)
    assert ended == 0
    assert placed.lines[-1] == f"order {order} is on its way, approved by ann"


async def test_rejected_order_ends_at_once_without_a_second_question(
    site: Site, run_example: RunExample, worker: Program, order: str
) -> None:
    async with run_example(EXAMPLE, "order", order, "250") as placed:
        callback = await callback_id(worker, order)
        code, receipt, _ = await decide(
            site, "reject", callback, "--by", "ann", "--reason", "too expensive"
        )
        ended = await placed.end()

    assert (code, receipt["state"]) == (0, "applied")
    assert ended == 1
    assert placed.lines[-1] == "rejected: too expensive (by ann)"
    assert await attempts_of(site, order) == [1]
    assert worker.output.count(f"Order {order} over") == 1


async def test_no_by_the_link_that_the_worker_shows_fulfills_nothing(
    site: Site, run_example: RunExample, worker: Program, order: str
) -> None:
    async with run_example(EXAMPLE, "order", order, "250") as placed:
        await callback_id(worker, order)
        link = (await worker.line(LINK)).removeprefix(LINK)
        no_reason = await site.post(urlsplit(link).path, {"approved": False})
        reply = await site.post(urlsplit(link).path, {"approved": False, "reason": "too expensive"})
        ended = await placed.end()

    assert (no_reason.status_code, reply.status_code, ended) == (422, 202, 1)
    assert placed.lines[-1] == "rejected: too expensive (by somebody with the link)"
    assert await attempts_of(site, order) == [1]


async def test_decision_that_another_program_completes_by_ids_is_read(
    site: Site, run_example: RunExample, worker: Program, order: str
) -> None:
    no = {"approved": False, "by": "ann", "reason": "too expensive"}
    async with run_example(EXAMPLE, "order", order, "250") as placed:
        await callback_id(worker, order)
        ref = ActivityRef("1", f"order-{order}")
        await AsyncCompletionClient(await site.client()).complete(ref, no)
        ended = await placed.end()

    assert ended == 1
    assert placed.lines[-1] == "rejected: too expensive (by ann)"


async def test_second_decision_is_refused_because_the_first_counts(
    site: Site, run_example: RunExample, worker: Program, order: str
) -> None:
    async with run_example(EXAMPLE, "order", order, "250") as placed:
        callback = await callback_id(worker, order)
        await decide(site, "approve", callback, "--by", "ann")
        again, receipt, _ = await decide(site, "approve", callback, "--by", "ann")
        refused, _, printed = await decide(
            site, "reject", callback, "--by", "bob", "--reason", "no"
        )
        ended = await placed.end()

    assert (again, receipt["duplicate"]) == (0, True)
    assert (refused, printed) == (1, "ringback: another answer was accepted first\n")
    assert ended == 0


async def test_nobody_in_time_is_a_no_and_a_later_decision_is_refused(
    site: Site, run_example: RunExample, worker: Program, order: str
) -> None:
    async with run_example(EXAMPLE, "order", order, "250", "--seconds-to-decide", "1") as placed:
        callback = await callback_id(worker, order)
        ended = await placed.end()
        code, _, printed = await decide(site, "approve", callback)

    assert ended == 1
    assert placed.lines[-1] == "rejected: no decision in time"
    assert code == 1, printed


async def test_list_shows_the_question_of_each_open_approval(
    site: Site, run_example: RunExample, worker: Program, order: str
) -> None:
    async with run_example(EXAMPLE, "order", order, "250"):
        callback = await callback_id(worker, order)
        listed = await Command(site)("list", "--tag", "approval", "--json")
        await decide(site, "approve", callback)

    (found,) = [one for one in listed.json["callbacks"] if one["id"] == callback]
    assert found["title"] == f"Order {order} over 250 euros"
    assert found["details"] == {"order": order, "euros": 250}
