"""The sixth exercise, run as a learner runs it, with browsers that speak only HTTP."""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import httpx2
import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.programs import Program, program
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site
from tests.polling import pause
from tests.tutorial.exercises import TUTORIAL

pytestmark = [pytest.mark.server, pytest.mark.processes]

SOLUTION = TUTORIAL / "06-a-page-for-people" / "solution"
STARTED = "Started workflow tutorial-06-order, waiting for its result."


class Run(Protocol):
    """Runs one program of the exercise."""

    def __call__(self, name: str) -> AbstractAsyncContextManager[Program]: ...


@pytest.fixture
async def site(tmp_path: Path, temporal_address: str) -> AsyncIterator[Site]:
    async with build_site(tmp_path, temporal=temporal_address) as built:
        yield built


@pytest.fixture
async def gateway(site: Site) -> AsyncIterator[Program]:
    async with site.gateway() as running:
        yield running


@pytest.fixture
def run(site: Site) -> Run:
    def run(name: str) -> AbstractAsyncContextManager[Program]:
        environment = {**site.environment, "PYTHONUNBUFFERED": "1"}
        return program([sys.executable, str(SOLUTION / name)], environment)

    return run


@pytest.fixture
async def worker(
    run: Run,
    gateway: Program,  # noqa: ARG001 - a worker opens its callbacks there
) -> AsyncIterator[Program]:
    async with run("worker.py") as worker:
        yield worker
        if worker.process.returncode is None:
            await worker.interrupt()


class Person:
    """Somebody with a browser, signed in with a one-time URL."""

    def __init__(self, http: httpx2.AsyncClient, origin: str) -> None:
        self.http = http
        self.headers = {
            "accept": "text/html",
            "origin": origin,
            "sec-fetch-site": "same-origin",
        }

    async def open(self, path: str) -> httpx2.Response:
        return await self.http.get(path, headers=self.headers)

    async def send(self, path: str, fields: dict[str, str]) -> httpx2.Response:
        return await self.http.post(path, data=fields, headers=self.headers)

    async def decide(self, callback: str, **fields: str) -> httpx2.Response:
        """Fill in the form of the page, and send it."""
        page = await self.open(f"/inbox/{callback}")
        hidden = dict(
            re.findall(r'<input type="hidden" name="(csrf|digest)" value="([^"]*)">', page.text)
        )
        return await self.send(f"/inbox/{callback}/decide", hidden | fields)


@asynccontextmanager
async def signed_in(site: Site, user: str) -> AsyncIterator[Person]:
    """Sign somebody of the group finance in, with the command of the exercise."""
    made = await Command(site)("sign-in-url", "--user", user, "--group", "finance")
    assert made.code == 0, made.err
    url = re.search(r"https?://\S+", made.out)
    assert url is not None, made.out
    async with httpx2.AsyncClient(base_url=site.gateway_url) as http:
        person = Person(http, site.gateway_url)
        path = url[0].removeprefix(site.gateway_url)
        page = await person.open(path)
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf is not None, page.text
        reply = await person.send(path, {"csrf": csrf[1]})
        assert reply.status_code == 303, reply.text
        yield person


async def asked(site: Site) -> str:
    """Return the callback that waits."""
    while True:
        listed = await Command(site)("list", "--json")
        if found := listed.json["callbacks"]:
            callback: str = found[0]["id"]
            return callback
        await pause()


FORM = {"form/cost_centre": "K1", "form/monthly": "0"}


@pytest.mark.thorough
async def test_two_people_approve_and_the_requester_cannot(
    site: Site,
    run: Run,
    worker: Program,  # noqa: ARG001 - runs the activity
) -> None:
    async with (
        run("starter.py") as starter,
        signed_in(site, "bob") as bob,
        signed_in(site, "ann") as ann,
        signed_in(site, "carl") as carl,
    ):
        callback = await asked(site)
        empty = await bob.decide(callback)
        no_form = await bob.decide(callback, choice="approve")
        first = await bob.decide(callback, choice="approve", **FORM)
        seen = await ann.open(f"/inbox/{callback}")
        by_command = await Command(site)(
            "approve",
            callback,
            "--by",
            "ann",
            "--group",
            "finance",
            "--form",
            '{"cost_centre": "K1", "monthly": true}',
        )
        second = await carl.decide(callback, choice="approve", **FORM)
        ended = await starter.end()

    assert (empty.status_code, no_form.status_code) == (422, 422)
    assert (first.status_code, second.status_code) == (303, 303), first.text
    assert "40 office chairs" in seen.text
    assert "You may not decide this yourself." in seen.text
    assert (by_command.code, by_command.err) == (1, "ringback: you may not decide this yourself\n")
    assert (ended, starter.lines) == (
        0,
        [STARTED, "Result: approved by bob and carl, cost centre K1"],
    )


async def test_one_rejection_is_a_result(
    site: Site,
    run: Run,
    worker: Program,  # noqa: ARG001 - runs the activity
) -> None:
    async with run("starter.py") as starter, signed_in(site, "carl") as carl:
        callback = await asked(site)
        await carl.decide(callback, choice="reject", reason="too expensive")
        ended = await starter.end()

    assert (ended, starter.lines) == (0, [STARTED, "Result: rejected by carl: too expensive"])


def test_the_readme_shows_what_the_programs_print() -> None:
    readme = (SOLUTION.parent / "README.md").read_text(encoding="utf-8")

    assert f"{STARTED}\nResult: approved by bob and carl, cost centre K1\n" in readme
    assert f"{STARTED}\nResult: rejected by carl: too expensive\n" in readme
    assert "ringback: you may not decide this yourself\n" in readme
