"""The worker of an agent is killed while a person decides, and another one continues."""

import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.programs import Program
from tests.acceptance.site import Site
from tests.examples.conftest import RunExample
from tests.examples.test_agents import ELSEWHERE, EXAMPLES, QUESTION
from tests.integration.agents.agent_env import need

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]


@pytest.mark.parametrize("example", EXAMPLES)
async def test_person_is_asked_once_though_the_worker_is_killed(
    site: Site,
    gateway: Program,  # noqa: ARG001 - it delivers what is decided
    run_example: RunExample,
    example: str,
) -> None:
    if example in ELSEWHERE:
        need(ELSEWHERE[example])
    async with run_example(example, "worker") as first:
        await first.line("Worker is running")
        async with run_example(example, "refund", "17", "250") as sent:
            callback = (await first.line(QUESTION)).partition("? ")[2]
            await first.kill()
            approved = await Command(site)("approve", callback)
            async with run_example(example, "worker") as second:
                await second.line("Worker is running")
                ended = await sent.end()
                asked_again = [line for line in second.lines if QUESTION in line]

    assert (approved.code, ended, asked_again) == (0, 0, [])
    assert sent.lines[-1] == "The tool said: refunded 250 euros for order 17"
