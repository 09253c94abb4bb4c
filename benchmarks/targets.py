"""Targets: servers that take answers, each with as many open questions as a run may answer."""

import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from benchmarks.bench import Bench
from benchmarks.figures import P50, P99, RATE, Notes
from benchmarks.programs import Program, python, running
from benchmarks.questions import Keys, gateway
from benchmarks.rivals.raw_token import path_of
from benchmarks.rivals.restate import restate
from benchmarks.stores import Template, check_kept
from benchmarks.suspended import asking
from benchmarks.temporals import dev_server, silent_temporal
from benchmarks.wrk import Load, drive

BODY: Final = b'"' + b"r" * 198 + b'"'
"""What every answer says: JSON of 200 bytes."""

_SECONDS: Final = 1.5
_WARM_UP: Final = 200


@dataclass
class Target:
    """A server that takes answers.

    Attributes:
        server: The program that is asked.
        url: Where it is.
        paths: Where each answer goes.
        again: Whether a path may be used again.
        taken: How many answers were taken so far.
    """

    server: Program
    url: str
    paths: Sequence[str]
    again: bool = False
    taken: int = 0

    async def answer(self, *, connections: int, seconds: float, at_most: int | None = None) -> Load:
        """Answer the questions that are left, or the next of them, for at most `seconds`."""
        paths = self.paths[self.taken :][:at_most] if not self.again else self.paths
        load = await drive(
            self.url,
            paths,
            body=BODY,
            connections=connections,
            seconds=seconds,
            again=self.again,
        )
        self.taken += 0 if self.again else load.answered
        return load

    async def note_answers(
        self, bench: Bench, notes: Notes, *, of: str, at: str, connections: int
    ) -> None:
        """Answer for a moment to warm up, then for longer; note what that took."""
        seconds = 0.5 if bench.is_quick else _SECONDS
        at_most = bench.scaled(_WARM_UP)
        warm_up = await self.answer(connections=connections, seconds=seconds, at_most=at_most)
        cpu_before = self.server.cpu_seconds()
        load = await self.answer(connections=connections, seconds=seconds)
        used = self.server.cpu_seconds() - cpu_before
        warm_up.check(of)
        load.check(of)
        note = partial(notes.add, of=of, at=at)
        note(load.rate, "/s", what=RATE)
        note(load.p50, "ms", what=P50)
        note(load.p99, "ms", what=P99)
        note(1000 * used / load.answered, "ms", what="server's CPU each")
        note(100 * load.client_busy, "%", what="client busy")


@asynccontextmanager
async def ours(
    bench: Bench,
    template: Template,
    keys: Keys,
    *,
    temporal: AbstractContextManager[str],
    more: Mapping[str, str] | None = None,
    module: str = "ringback",
) -> AsyncIterator[Target]:
    """Run a gateway on a copy of `template` for the block, kill it, and count what it kept.

    `more` are further settings; another `module` may stand in for `ringback`.

    Raises:
        DriveError: The store does not hold exactly as many answers as were taken.
    """
    async with template.copied() as store_url:
        with temporal as address:
            folder = bench.new_folder()
            async with gateway(
                store_url, keys, temporal=address, folder=folder, more=more, module=module
            ) as (server, url):
                target = Target(server, url, template.paths)
                yield target
                await server.kill()
        await check_kept(store_url, target.taken)


@asynccontextmanager
async def source(
    bench: Bench, template: Template, keys: Keys, *, aliases: Sequence[str], held: int = 0
) -> AsyncIterator[Target]:
    """Run a gateway with a source for the block; its events have these `aliases`.

    Raises:
        DriveError: The store does not hold as many deliveries as were taken, and the `held` ones
            from before.
    """
    folder = bench.new_folder()
    file = folder / "sources.toml"
    file.write_text(_SOURCE)
    settings = {"RINGBACK_SOURCES_FILE": str(file), "BENCH_SECRET": _SECRET}
    signature = hmac.new(_SECRET.encode(), BODY, "sha256").hexdigest()
    paths = [
        f"/in/bench\tx-hub-signature-256: sha256={signature}\tx-github-delivery: {alias}"
        for alias in aliases
    ]
    async with template.copied() as store_url:
        with silent_temporal() as address:
            async with gateway(store_url, keys, temporal=address, folder=folder, more=settings) as (
                server,
                url,
            ):
                target = Target(server, url, paths)
                yield target
                await server.kill()
        await check_kept(store_url, held + target.taken, table="source_deliveries")


_SECRET: Final = "it's a secret to everybody"  # noqa: S105 - a benchmark's

_SOURCE: Final = """
[sources.bench]
provider = "github"
secrets = ["env:BENCH_SECRET"]

[[sources.bench.rules]]
key = "header('x-github-delivery')"
action = "complete"
result = "@"
"""


@asynccontextmanager
async def noop(
    bench: Bench, paths: Sequence[str], *, app: Literal["asgi", "route"]
) -> AsyncIterator[Target]:
    """Run the server that does nothing for the block, as this kind of application."""
    async with running(python("benchmarks.rivals.noop", app), cwd=bench.root) as server:
        yield Target(server, await server.ready(), paths, again=True)


@asynccontextmanager
async def raw_token(bench: Bench, count: int) -> AsyncIterator[Target]:
    """Run the raw task token for the block, with `count` activities that wait."""
    async with dev_server(bench.new_folder()) as (_, address):
        async with asking(address) as askers:
            waiting = await askers.suspend(count)
        words = python("benchmarks.rivals.raw_token", address)
        async with running(words, cwd=bench.root) as server:
            paths = [path_of(one.task_token) for one in waiting]
            yield Target(server, await server.ready(), paths)


@asynccontextmanager
async def awakeables(bench: Bench, count: int) -> AsyncIterator[Target]:
    """Run Restate for the block, with `count` invocations that wait, and a silent service."""
    folder = bench.new_folder()
    async with AsyncExitStack() as stack:
        rival = await stack.enter_async_context(restate(bench.rivals, folder))
        paths = await rival.suspend(count)
        rival.service.freeze()
        stack.callback(rival.service.thaw)
        yield Target(rival.server, rival.url, paths)
