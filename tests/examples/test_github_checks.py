"""Signed events of a CI run end the activity that waits for the run."""

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from ringback.sources.config import load_sources
from ringback.sources.rules import Ignored, Match, apply_rules
from ringback.sources.source_event import SourceEvent
from tests.acceptance.programs import Program
from tests.acceptance.site import Site
from tests.examples.conftest import EXAMPLES, RunExample

pytestmark = [pytest.mark.server, pytest.mark.processes]

EXAMPLE = "github_checks.py"
SECRET = "it's a secret to everybody"  # noqa: S105 - a test's
SOURCES = EXAMPLES / "github_checks.toml"


@pytest.fixture(scope="module", autouse=True)
async def gateway(site: Site) -> AsyncIterator[Program]:
    async with site.gateway(
        RINGBACK_SOURCES_FILE=str(SOURCES), GITHUB_WEBHOOK_SECRET=SECRET
    ) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
async def worker(
    run_example: RunExample,
    gateway: Program,  # noqa: ARG001 - a worker opens its callbacks there
) -> AsyncIterator[Program]:
    async with run_example(EXAMPLE, "worker") as running:
        await running.line("Worker is running")
        yield running


@pytest.fixture
def version() -> str:
    return f"v{uuid4()}"


@pytest.fixture
def run() -> str:
    return str(uuid4().int % 10**15)


async def send(run_example: RunExample, run: str, conclusion: str, *, secret: str = SECRET) -> str:
    """Send the event of an ended run, and return the reply."""
    async with run_example(
        EXAMPLE, "send", run, conclusion, GITHUB_WEBHOOK_SECRET=secret
    ) as sending:
        assert await sending.end() == 0, sending.output
    return sending.output


async def test_version_is_released_after_a_run_that_succeeds(
    run_example: RunExample, version: str, run: str
) -> None:
    async with run_example(EXAMPLE, "release", version, run) as releasing:
        forged = await send(run_example, run, "failure", secret="another")  # noqa: S106 - a test's
        reply = await send(run_example, run, "success")
        code = await releasing.end()

    assert forged.startswith("401 ")
    assert reply == '200 {"duplicate":false}'
    assert (code, releasing.lines) == (0, [f"released {version}"])


async def test_version_is_not_released_after_a_run_that_fails(
    run_example: RunExample, version: str, run: str
) -> None:
    await send(run_example, run, "timed_out")
    async with run_example(EXAMPLE, "release", version, run) as releasing:
        code = await releasing.end()

    url = f"https://github.com/octo-org/octo-repo/actions/runs/{run}"
    assert code == 1
    assert releasing.lines == [
        f"not released: ChecksFailed: run {run} ended with timed_out, see {url}"
    ]


def test_rule_for_check_runs_answers_the_alias_of_the_check() -> None:
    source = load_sources(SOURCES, {"GITHUB_WEBHOOK_SECRET": SECRET})["github"]
    check = {"id": 7, "conclusion": "success", "html_url": "https://github.com/o/r/runs/7"}
    bodies = [
        {"action": "completed", "check_run": check},
        {"action": "created", "check_run": check | {"conclusion": None}},
    ]

    completed, created = [
        apply_rules(source.rules, SourceEvent(json.dumps(body).encode())) for body in bodies
    ]

    (match,) = completed
    assert isinstance(match, Match)
    assert match.alias.text == "github:check:7"
    assert json.loads(match.body or b"") == {
        "conclusion": "success",
        "url": "https://github.com/o/r/runs/7",
    }
    assert isinstance(created[0], Ignored)
