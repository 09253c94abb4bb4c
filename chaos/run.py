"""One run: start everything, ask and answer under faults, settle, and judge."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError

from chaos.caller import Caller
from chaos.connection import connect
from chaos.evidence import Evidence, Finding
from chaos.facts import read_continued, read_facts
from chaos.histories import read_histories
from chaos.judge import judge
from chaos.ledger import Ledger
from chaos.options import Fault, Options
from chaos.outside import Outside
from chaos.plan import scripts
from chaos.queue import Publisher
from chaos.receivers import Receivers
from chaos.schedule import WIRE, Blow, schedule
from chaos.senders import Post
from chaos.site import Site, build_site, folder_of
from chaos.values import chance
from ringback.app.web import bound_socket, served
from ringback.core.services import task_group

_LOOK_EVERY_SECONDS: Final = 0.5
_TELL_EVERY_SECONDS: Final = 10
_RUNNING: Final = "ExecutionStatus = 'Running'"

Blows = Counter[tuple[Fault, str]]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run.

    Attributes:
        evidence: The evidence.
        findings: The findings.
        blows: Number of faults, by fault and program.
        statuses: Number of replies to answers, by status.
        exits: Unexpected ends of programs, with exit codes.
        folder: The run's folder.
        seconds: Its duration.
    """

    evidence: Evidence
    findings: Sequence[Finding]
    blows: Blows
    statuses: Counter[str]
    exits: Mapping[str, Mapping[int, int]]
    folder: Path
    seconds: float


async def chaos(options: Options, tell: Tell) -> Outcome:
    """Make one run, and report progress to `tell`.

    Raises:
        NoPostgresqlError: The store is to be PostgreSQL, and there is none on this machine.
        NotReadyError: A program does not come up.
        LedgerUnreadableError: The ledger cannot be read.
    """
    with ExitStack() as stack:
        outside, wire = (stack.enter_context(bound_socket("127.0.0.1", 0)) for _ in range(2))
        folder = stack.enter_context(folder_of(options))
        receivers = Receivers(
            chance(options.seed, "receivers"), is_bad=Fault.REFUSE in options.faults
        )
        site = build_site(
            options,
            folder,
            outside=_port(outside),
            wire=_port(wire),
            channels=receivers.environment,
        )
        tell("starting " + ", ".join(site.programs))
        async with receivers.running(), site.wire.laid(wire), site.running():
            return await _Run(options, site, tell, receivers=receivers).run(outside)


class _Run:
    """A run while all programs are up."""

    def __init__(self, options: Options, site: Site, tell: Tell, *, receivers: Receivers) -> None:
        self._options = options
        self._site = site
        self._receivers = receivers
        self._tell = tell
        self._scripts = list(scripts(options))
        self._by_question = {
            one.key: script for script in self._scripts for one in script.questions
        }
        self._blows: Blows = Counter()
        self._strikes: list[datetime] = []
        self._post = Post(site.gateways, site.read_operator_key)
        self._publisher = Publisher(site.broker)

    async def run(self, listening: socket.socket) -> Outcome:
        """Ask and answer, settle, and judge."""
        began = asyncio.get_running_loop().time()
        async with self._reading() as (client, ledger), task_group() as group:
            caller = Caller(client)
            outside = Outside(
                self._options,
                self._by_question,
                self._post,
                publisher=self._publisher,
                group=group,
                end=caller.end,
            )
            async with served(outside.app, listening):
                await self._storm(caller, outside)
                await self._come_to_rest(client, outside, ledger)
                outside.give_up()
                evidence = await self._gather(client, outside, ledger)
        seconds = asyncio.get_running_loop().time() - began
        return self._outcome(evidence, seconds)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[tuple[Client, Ledger]]:
        client = await connect(self._site.temporal)
        ledger = Ledger(self._site.database, self._site.settings)
        try:
            yield client, ledger
        finally:
            await ledger.close()
            await self._post.close()
            await self._publisher.close()

    async def _storm(self, caller: Caller, outside: Outside) -> None:
        self._tell(f"asking {self._options.callbacks} questions in {self._options.seconds:g} s")
        targets = [*self._site.programs, WIRE]
        blows = schedule(self._options, targets)
        async with task_group() as storm:
            telling = storm.create_task(self._tell_on(outside))
            async with task_group() as group:
                group.create_task(caller.start(self._scripts, seconds=self._options.seconds))
                for name in targets:
                    group.create_task(self._strike([one for one in blows if one.target == name]))
            telling.cancel()
        self._receivers.calm()
        await self._site.calm()

    async def _strike(self, blows: Sequence[Blow]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for blow in blows:
            await asyncio.sleep(began + blow.at - loop.time())
            if blow.poised is not None:
                await self._post.next_accepted()
                await asyncio.sleep(blow.poised)
            self._blows[blow.fault, blow.target] += await self._strike_now(blow)

    async def _strike_now(self, blow: Blow) -> bool:
        if blow.target == WIRE:
            return await self._site.wire.lose_replies(blow.lasts)
        program = self._site.programs[blow.target]
        if not blow.target.startswith("worker-"):
            self._strikes.append(datetime.now(UTC))  # noqa: TID251 - the programs use it too
        if blow.fault is Fault.KILL:
            return program.kill(blow.lasts)
        was_struck = program.freeze()
        await asyncio.sleep(blow.lasts)
        program.thaw()
        return was_struck

    async def _tell_on(self, outside: Outside) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY_SECONDS)
            blows = sum(self._blows.values())
            self._tell(f"{len(outside.asked)} links given, {outside.busy} in work, {blows} blows")

    async def _come_to_rest(self, client: Client, outside: Outside, ledger: Ledger) -> None:
        loop = asyncio.get_running_loop()
        told_at, give_up_at = loop.time(), loop.time() + self._options.settle
        while loop.time() < give_up_at:
            left = await _left(client, outside, ledger)
            messages = await self._publisher.left() if self._options.has_queue else 0
            if (*left, messages) == (0, 0, 0, 0):
                return
            if loop.time() - told_at >= _TELL_EVERY_SECONDS:
                told_at = loop.time()
                counted = "left: {} workflows, {} answers, {} in the ledger".format(*left)
                self._tell(f"{counted}, {messages} messages")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        self._tell(f"not at rest after {self._options.settle:g} s")
        for program in self._site.programs.values():
            self._tell(await program.standing())

    async def _gather(self, client: Client, outside: Outside, ledger: Ledger) -> Evidence:
        self._tell("comparing the ledger with every history")
        return Evidence(
            scripts=self._by_question,
            asked=outside.asked,
            ledger=await ledger.read(),
            stories=await read_histories(client, self._scripts),
            facts=read_facts(self._site.facts),
            continued=read_continued(self._site.facts),
            copies=self._receivers.copies,
            refused=self._receivers.refused,
            manners=self._receivers.manners,
            events=await ledger.events(),
            strikes=[*self._strikes, *self._post.outages],
        )

    def _outcome(self, evidence: Evidence, seconds: float) -> Outcome:
        programs = self._site.programs.items()
        return Outcome(
            evidence=evidence,
            findings=judge(evidence),
            blows=self._blows,
            statuses=self._post.statuses,
            exits={name: one.exits for name, one in programs if one.exits},
            folder=self._site.folder,
            seconds=seconds,
        )


def _port(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


async def _left(client: Client, outside: Outside, ledger: Ledger) -> tuple[int, int, int]:
    """Return the numbers of unsettled workflows, senders and callbacks; -1 if unknown."""
    try:
        running = (await client.count_workflows(_RUNNING)).count
        return running, outside.busy, await ledger.unsettled()
    except (RPCError, SQLAlchemyError, OSError):
        return -1, outside.busy, -1
