"""The seventh exercise, run as a learner runs it."""

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Final, Protocol

import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.programs import Program, program
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site
from tests.tutorial.exercises import TUTORIAL

pytestmark = [pytest.mark.server, pytest.mark.processes]

EXERCISE: Final = TUTORIAL / "07-webhooks-of-a-provider"
SECRET: Final = "whsec_tutorial"  # noqa: S105 - the exercise's
STARTED: Final = "Started workflow tutorial-07-order-{}, waiting for its result."
PAID: Final = "Result: paid 4200 cents with pi_{}"
DECLINED: Final = "Result: ask for another card: Your card has expired."
NEW: Final = '200 {"duplicate":false}'
REPEATED: Final = '200 {"duplicate":true}'
REFUSED: Final = "401 not verified"
NO_REPLY: Final = "No reply. The provider tries again."


class Run(Protocol):
    """Runs one program of the exercise."""

    def __call__(self, name: str, *words: str) -> AbstractAsyncContextManager[Program]: ...


@pytest.fixture
async def site(tmp_path: Path, temporal_address: str) -> AsyncIterator[Site]:
    async with build_site(tmp_path, temporal=temporal_address) as built:
        yield built


@pytest.fixture
def run(site: Site) -> Run:
    def run(name: str, *words: str) -> AbstractAsyncContextManager[Program]:
        environment = {"PYTHONUNBUFFERED": "1", "STRIPE_WEBHOOK_SECRET": SECRET}
        command = [sys.executable, str(EXERCISE / "solution" / name), *words]
        return program(command, {**site.environment, **environment})

    return run


def gateway(site: Site, folder: str = "solution") -> AbstractAsyncContextManager[Program]:
    sources = EXERCISE / folder / "ringback.toml"
    return site.gateway(RINGBACK_SOURCES_FILE=str(sources), STRIPE_WEBHOOK_SECRET=SECRET)


async def printed(running: AbstractAsyncContextManager[Program]) -> list[str]:
    """Run a program until it ends, and return what it printed."""
    async with running as ran:
        assert await ran.end() == 0, ran.output
    return ran.lines


async def test_event_ends_the_activity_before_and_after_it_waits(site: Site, run: Run) -> None:
    async with gateway(site), run("worker.py") as worker:
        async with run("starter.py", "17") as starter:
            await worker.line("Order 17: the customer can pay pi_17")
            refused = await printed(run("provider.py", "paid", "pi_17", "--secret", "whsec_other"))
            sent = [await printed(run("provider.py", "paid", "pi_17")) for _ in "12"]
            assert await starter.end() == 0
        early = await printed(run("provider.py", "paid", "pi_18"))
        after = await printed(run("starter.py", "18"))

    assert refused == [REFUSED]
    assert sent == [[NEW], [REPEATED]]
    assert starter.lines == [STARTED.format(17), PAID.format(17)]
    assert early == [NEW]
    assert after == [STARTED.format(18), PAID.format(18)]


@pytest.mark.thorough
async def test_payment_that_fails_is_charged_once(site: Site, run: Run) -> None:
    async with gateway(site), run("worker.py") as worker, run("starter.py", "19") as starter:
        await worker.line("Order 19: the customer can pay pi_19")
        sent = await printed(run("provider.py", "declined", "pi_19"))
        assert await starter.end() == 0

    assert sent == [NEW]
    assert starter.lines == [STARTED.format(19), DECLINED]
    assert worker.output.count("Order 19: payment with the key") == 1


@pytest.mark.thorough
async def test_provider_tries_again_while_the_gateway_is_down(site: Site, run: Run) -> None:
    async with AsyncExitStack() as programs:
        running = await programs.enter_async_context(gateway(site))
        worker = await programs.enter_async_context(run("worker.py"))
        starter = await programs.enter_async_context(run("starter.py", "20"))
        await worker.line("Order 20: the customer can pay pi_20")
        await running.interrupt()
        provider = await programs.enter_async_context(run("provider.py", "paid", "pi_20"))
        await provider.line(NO_REPLY)
        await programs.enter_async_context(gateway(site))
        assert await provider.end() == 0
        assert await starter.end() == 0

    assert provider.lines[-1] == NEW
    assert starter.lines == [STARTED.format(20), PAID.format(20)]


@pytest.mark.thorough
async def test_events_are_ignored_without_rules(site: Site, run: Run) -> None:
    async with gateway(site, "practice"):
        sent = await printed(run("provider.py", "paid", "pi_1"))
        listed = await Command(site)("events", "--json")

    assert sent == [NEW]
    assert [event["state"] for event in listed.json["events"]] == ["ignored"]


def test_readme_shows_what_the_programs_print() -> None:
    readme = (EXERCISE / "README.md").read_text(encoding="utf-8")

    assert f"```\n{STARTED.format(17)}\n{PAID.format(17)}\n```\n" in readme
    assert f"```\n{STARTED.format(17)}\n{DECLINED}\n```\n".replace("-17,", "-19,") in readme
    assert f"```\n{NEW}\n{REPEATED}\n{REFUSED}\n```\n" in readme
    assert f"```\n{NO_REPLY}\n```\n" in readme
