"""Several gateway processes on one port: none of them is missed, and they end together."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import httpx2
import psutil
import pytest

from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.marks import on_postgresql
from tests.acceptance.programs import LIMIT_SECONDS, Program
from tests.acceptance.site import Site
from tests.polling import pause

pytestmark = [pytest.mark.server, pytest.mark.processes, on_postgresql, pytest.mark.thorough]

COUNT = 60


def processes_of(gateway: Program) -> dict[int, psutil.Process]:
    """Return the running gateway processes by number."""
    children = psutil.Process(gateway.process.pid).children()
    found = {}
    for child in children:
        # It may have ended meanwhile.
        with suppress(psutil.NoSuchProcess):
            words = child.cmdline()
            if "--process" in words:
                found[int(words[words.index("--process") + 1])] = child
    return found


async def until_restarted(gateway: Program, number: int, before: psutil.Process) -> None:
    """Return once another process with this number listens."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            now = processes_of(gateway).get(number, before)
            with suppress(psutil.NoSuchProcess):
                if now != before and now.net_connections("tcp4"):
                    return
            await pause()


async def until_accepted(site: Site, link: str, answer: int) -> None:
    """Answer as a sender does: retry what did not get through."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            try:
                # A new connection each time, so that the system chooses the process.
                reply = await site.post(link, answer)
            except httpx2.TransportError:
                continue
            if reply.status_code != 503:
                assert reply.status_code in {200, 202}, reply.text
                return
            await pause()


@asynccontextmanager
async def asked(site: Site, gateway: Program) -> AsyncIterator[Sequence[str]]:
    """Ask many questions; yield their links, and check at the end that each got its answer."""
    assert gateway.process.returncode is None
    async with site.many_callbacks_worker():
        workflow = await site.ask(Questions(COUNT))
        links = await site.service.next_links(COUNT)
        await site.until_submitted()
        yield links
        assert sorted(await workflow.result()) == list(range(COUNT))


async def test_kill_of_one_process_under_load_loses_no_answer(shared_site: Site) -> None:
    site = shared_site
    async with site.gateway(processes=3) as gateway, asked(site, gateway) as links:
        before = processes_of(gateway)
        answering = [
            asyncio.ensure_future(until_accepted(site, link, number))
            for number, link in enumerate(links)
        ]
        await asyncio.wait(answering, return_when=asyncio.FIRST_COMPLETED)

        before[1].kill()

        await asyncio.gather(*answering)
        await until_restarted(gateway, 1, before[1])
        after = processes_of(gateway)

    assert sorted(before) == sorted(after) == [0, 1, 2]
    assert (after[0], after[2]) == (before[0], before[2])
    (ended,) = [line for line in gateway.lines if "gateway process ended" in line]
    assert "process_number=1" in ended
    assert "code=-9" in ended
    assert all(f"gateway_process={number}" in gateway.output for number in range(3))


async def test_restart_of_each_process_in_turn_loses_no_answer(shared_site: Site) -> None:
    site = shared_site
    async with site.gateway(processes=2) as gateway, asked(site, gateway) as links:
        answering = asyncio.gather(
            *(until_accepted(site, link, number) for number, link in enumerate(links))
        )
        for number, process in processes_of(gateway).items():
            process.terminate()
            await until_restarted(gateway, number, process)
        await answering

    ended = [line for line in gateway.lines if "gateway process ended" in line]
    assert [("code=0" in line) for line in ended] == [True, True]


async def test_stop_signal_stops_all_processes_gracefully(shared_site: Site) -> None:
    async with shared_site.gateway(processes=2) as gateway:
        children = processes_of(gateway).values()

        gateway.process.terminate()
        code = await gateway.end()

    assert code == 0
    assert not any(child.is_running() for child in children)
    assert "gateway process killed" not in gateway.output
    assert "gateway process failed" not in gateway.output


async def test_processes_end_with_a_killed_parent(shared_site: Site) -> None:
    async with shared_site.gateway(processes=2) as gateway:
        children = processes_of(gateway).values()

        await gateway.kill()

        async with asyncio.timeout(LIMIT_SECONDS):
            while any(child.is_running() for child in children):
                await pause()


async def test_wrong_setting_ends_all_with_one_message(shared_site: Site) -> None:
    starting = shared_site.starting_gateway(0, "--processes", "3", RINGBACK_KEYS="nonsense")
    async with starting as gateway:
        code = await gateway.end()

    assert code == 2
    assert gateway.output.count("not a key") == 1
    assert "Traceback" not in gateway.output


async def test_processes_share_the_polls_and_the_port(shared_site: Site) -> None:
    site = shared_site
    async with site.gateway(processes=2, RINGBACK_POLLS_PER_SECOND="9") as gateway:
        shares = [
            one.environ()["RINGBACK_POLLS_PER_SECOND"] for one in processes_of(gateway).values()
        ]
        refused = await site.run("serve", "--port", str(site.gateway_port), "--processes", "2")

    assert shares == ["4", "4"]
    assert refused.process.returncode == 2
    assert f"port {site.gateway_port} on 127.0.0.1 cannot be used" in refused.output
