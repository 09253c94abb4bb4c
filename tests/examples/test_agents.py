"""An agent of each framework asks a person before it refunds."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.programs import Program
from tests.acceptance.site import Site
from tests.examples.conftest import RunExample
from tests.integration.agents.agent_env import need

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

QUESTION = "May refund run with {'order': '17', 'euros': 250}? "
LINK = "Decide here: "


EXAMPLES = [
    "openai_agents.py",
    "pydantic_ai_agents.py",
    "langgraph_agents.py",
    pytest.param("strands_agents.py", marks=pytest.mark.other_agents),
    pytest.param("google_adk_agents.py", marks=pytest.mark.other_agents),
    pytest.param("deep_agents.py", marks=pytest.mark.other_agents),
]
ELSEWHERE = {
    "strands_agents.py": "temporalio-strands-agents",
    "google_adk_agents.py": "temporalio-google-adk",
    "deep_agents.py": "temporalio-deepagents",
}

RAN = {"deep_agents.py": 'refund with arguments {"order": "17", "euros": 100}'}
REFUSED = {"deep_agents.py": "User rejected the tool call for `refund` with reason: too much"}
"""What the model is told in the words of LangChain, where the others have those of Ringback."""


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name in ELSEWHERE:
        need(ELSEWHERE[name])
    return name


@pytest.fixture(scope="module", autouse=True)
async def worker(
    run_example: RunExample,
    gateway: Program,  # noqa: ARG001 - it delivers what is decided
    example: str,
) -> AsyncIterator[Program]:
    async with run_example(example, "worker") as running:
        await running.line("Worker is running")
        yield running


async def test_person_changes_the_arguments_from_a_terminal(
    site: Site, run_example: RunExample, worker: Program, example: str
) -> None:
    async with run_example(example, "refund", "17", "250") as sent:
        callback = (await worker.line(QUESTION)).partition("? ")[2]
        command = Command(site)
        wrong = await command("approve", callback, "--form", '{"order": "17", "euros": "all"}')
        right = await command("approve", callback, "--form", '{"order": "17", "euros": 100}')
        ended = await sent.end()

    assert (wrong.code, right.code, ended) == (1, 0, 0)
    assert sent.lines[-1] == "refunded 100 euros for order 17"
    ran = RAN.get(example, 'refund ran with {"order": "17", "euros": 100}')
    assert any(ran in line for line in sent.lines)


async def test_person_rejects_by_the_link_that_the_worker_shows(
    site: Site, run_example: RunExample, worker: Program, example: str
) -> None:
    async with run_example(example, "refund", "17", "250") as sent:
        await worker.line(QUESTION)
        link = (await worker.line(LINK)).removeprefix(LINK)
        no = {"approved": False, "reason": "too much"}
        reply = await site.post(urlsplit(link).path, no)
        ended = await sent.end()

    assert (reply.status_code, ended) == (202, 0)
    refused = REFUSED.get(example, '{"approved": false, "reason": "too much"}')
    assert sent.lines[-1] == f"The tool said: {refused}"
