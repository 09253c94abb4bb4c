"""Gateways delete what ended long ago; one is killed in the middle, and answers are accepted."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import text

from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed
from ringback.ports.store import CallbackQuery
from tests import factories
from tests.acceptance.marks import on_both_stores
from tests.acceptance.programs import LIMIT_SECONDS, Program, free_port, preloaded
from tests.acceptance.site import Site
from tests.contract.postgresql_server import execute
from tests.polling import pause

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

ENDED: Final = 3000
PART: Final = 200
KEEP: Final = "30d"
FOREVER: Final[Mapping[str, Any]] = {"RINGBACK_KEEP_ENDED_FOR": "forever"}
LONG_AGO: Final = 90 * 86_400 * 1_000_000

#: Callbacks that have lost something of what belongs to them; each has one outcome and two entries.
_BROKEN: Final = text(
    "SELECT count(*) FROM callbacks c WHERE closed_at IS NOT NULL AND ("
    " (SELECT count(*) FROM outcomes o WHERE o.callback_id = c.id) <> 1"
    " OR (SELECT count(*) FROM audit_trail a WHERE a.callback_id = c.id) <> 2"
    " OR (SELECT count(*) FROM tags t WHERE t.callback_id = c.id) <> 1)"
)
_ORPHANS: Final = text(
    "SELECT (SELECT count(*) FROM outcomes) + (SELECT count(*) FROM tags)"
    " - 2 * (SELECT count(*) FROM callbacks WHERE closed_at IS NOT NULL)"
)
_LEFT: Final = text("SELECT count(*) FROM callbacks WHERE closed_at IS NOT NULL")
_AGE: Final = text("UPDATE callbacks SET closed_at = closed_at - :by WHERE closed_at IS NOT NULL")


async def fill(site: Site) -> Sequence[CallbackId]:
    """Store callbacks that ended long ago, and some that are open; return the open ones."""
    async with opened_store(site.settings, SystemClock()) as store:
        for _ in range(ENDED // PART):
            opened = await store.open([factories.request(tags=["old"]) for _ in range(PART)])
            await store.accept([factories.answer(one.id, Completed(b"1")) for one in opened])
            answered = await store.find([one.id for one in opened])
            await store.settle([factories.settlement(one) for one in answered.values()])
        waiting = await store.open([factories.request() for _ in range(30)])
    async with site.connected() as connection:
        await connection.execute(_AGE, {"by": LONG_AGO})
    return [one.id for one in waiting]


async def count(site: Site, statement: object) -> int:
    async with site.connected() as connection:
        return int((await connection.execute(statement)).scalar_one())  # type: ignore[call-overload]  # - a statement of this module


async def until_left(site: Site, most: int) -> int:
    """Return once at most so many ended callbacks are left.

    Deleting makes way for accepting, so only a stop of it is an error, however slow the disk is.
    """
    loop, least = asyncio.get_running_loop(), ENDED
    async with asyncio.timeout(LIMIT_SECONDS) as limit:
        while (left := await count(site, _LEFT)) > most:
            if left < least:
                least = left
                limit.reschedule(loop.time() + LIMIT_SECONDS)
            await pause()
    return left


async def answer(site: Site, callback_id: str, port: int) -> int:
    key = local_key_path(site.data, Role.OPERATOR).read_text().strip()
    url = f"http://127.0.0.1:{port}/v1/callbacks/{callback_id}/complete"
    async with httpx2.AsyncClient(timeout=30) as http:
        reply = await http.post(url, json=1, headers={"authorization": f"Bearer {key}"})
    return reply.status_code


@on_both_stores
async def test_gateway_killed_while_it_deletes_leaves_no_callback_half_deleted(
    site: Site,
) -> None:
    waiting = await fill(site)
    rounds, lefts, accepted = 3, [ENDED], []

    for number in range(rounds):
        async with site.gateway(temporal="unreachable", RINGBACK_KEEP_ENDED_FOR=KEEP) as gateway:
            lefts.append(await until_left(site, lefts[-1] - 1))
            accepted.append(await answer(site, waiting[number], site.gateway_port))
            await gateway.kill()
        broken = await count(site, _BROKEN)
        orphans = await count(site, _ORPHANS)
        # The answers that were just accepted have outcomes, and have not ended.
        assert (broken, orphans) == (0, number + 1)

    async with site.gateway(temporal="unreachable", RINGBACK_KEEP_ENDED_FOR=KEEP):
        await until_left(site, 0)

    assert lefts[-1] > 0, "the last kill came after the last batch: fill more"
    assert accepted == [202] * rounds


@on_both_stores
async def test_two_gateways_delete_at_once_while_answers_are_accepted(site: Site) -> None:
    waiting = await fill(site)
    other = free_port()

    async with (
        site.gateway(temporal="unreachable", RINGBACK_KEEP_ENDED_FOR=KEEP) as one,
        site.gateway(temporal="unreachable", port=other, RINGBACK_KEEP_ENDED_FOR=KEEP) as two,
    ):
        ports = [site.gateway_port, other] * (len(waiting) // 2)
        statuses = await asyncio.gather(*map(answer, [site] * len(waiting), waiting, ports))
        await until_left(site, 0)

    assert set(statuses) == {202}
    assert await count(site, _ORPHANS) == len(waiting)
    assert not any(has_failed(program) for program in (one, two))


@on_both_stores
async def test_killed_purge_has_exported_all_that_it_deleted_and_its_room_is_used_again(
    site: Site, tmp_path: Path
) -> None:
    await fill(site)
    ended = await ended_ids(site)
    files = [tmp_path / f"{number}.jsonl" for number in range(4)]

    # In turn, the command and its gateway are killed in the middle.
    for number, file in enumerate(files):
        words = ["purge", "--older-than", KEEP, "--export", str(file)]
        async with site.gateway(temporal="unreachable", **FOREVER) as gateway:
            left = len(await ended_ids(site))
            async with preloaded(words, site.environment) as purge:
                await until_left(site, left - 1)
                await (gateway if number % 2 else purge).kill()
        assert await count(site, _BROKEN) == 0
        assert await count(site, _ORPHANS) == 0
    left = len(remaining := await ended_ids(site))
    size = await size_of(site)
    async with site.gateway(temporal="unreachable", RINGBACK_KEEP_ENDED_FOR=KEEP):
        await until_left(site, 0)
    if site.postgresql is not None:
        # As autovacuum does within minutes.
        await execute(site.postgresql, "VACUUM")
    await fill(site)

    assert 0 < left < ENDED, "the last kill came after the last batch: fill more"
    assert exported(files) >= ended - remaining
    assert await size_of(site) < 1.25 * size


async def ended_ids(site: Site) -> set[CallbackId]:
    async with opened_store(site.settings, SystemClock()) as store:
        query = CallbackQuery(states=frozenset({State.APPLIED}))
        return {one.id for one in await store.page(query, after=None, limit=2 * ENDED)}


async def size_of(site: Site) -> int:
    """Return how many bytes the tables of the store have on the disk."""
    if site.postgresql is None:
        pages = await count(site, text("PRAGMA page_count"))
        return pages * await count(site, text("PRAGMA page_size"))
    return await count(site, text("SELECT pg_database_size(current_database())"))


def exported(files: Sequence[Path]) -> set[str]:
    """Return the callbacks in the whole lines of the files: a kill may cut off the last one."""
    lines = [line for file in files for line in file.read_text("utf-8").splitlines(keepends=True)]
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    return {record["id"] for record in records if record["kind"] == "callbacks"}


def has_failed(program: Program) -> bool:
    return "cannot delete" in program.output or "Traceback" in program.output
