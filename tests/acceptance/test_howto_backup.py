"""A restored SQLite store behaves as docs/howto/backup.md says."""

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest

from ringback.domain.callback import State
from tests.acceptance.command_line import Command
from tests.acceptance.programs import LIMIT_SECONDS, free_port
from tests.acceptance.site import Site
from tests.polling import pause

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]


def back_up(site: Site) -> None:
    with (
        closing(sqlite3.connect(site.data / "ringback.db")) as store,
        closing(sqlite3.connect(site.data / "copy.db")) as copy,
    ):
        store.backup(copy)


def restore(site: Site) -> None:
    for suffix in ("-wal", "-shm"):
        (site.data / f"ringback.db{suffix}").unlink(missing_ok=True)
    shutil.copy(site.data / "copy.db", site.data / "ringback.db")


async def until_expired(site: Site) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while not await site.callbacks(frozenset({State.EXPIRED})):
            await pause()


async def test_answers_accepted_after_the_backup_are_lost_or_expired(
    shared_site: Site, unique: str
) -> None:
    site, nowhere = shared_site, f"127.0.0.1:{free_port()}"
    async with site.gateway(), site.worker():
        delivered = await site.start_workflow(f"{unique}-delivered")
        delivered_link = await site.service.next_link()
        waiting = await site.start_workflow(f"{unique}-waiting")
        waiting_link = await site.service.next_link()
        await site.until(lambda found: len([one for one in found if one.submitted_at]) == 2)
        back_up(site)
        await site.post(delivered_link, "delivered", prefer="wait=20")
        assert await delivered.result() == "delivered"
    async with site.gateway(TEMPORAL_ADDRESS=nowhere):
        accepted = await site.post(waiting_link, "accepted")
    restore(site)

    async with site.gateway(), site.worker():
        sent_again = await site.post(waiting_link, "accepted", prefer="wait=20")
        await until_expired(site)
        too_late = await site.post(delivered_link, "delivered")
        result = await waiting.result()

    assert (accepted.status_code, accepted.json()["state"]) == (202, "accepted")
    assert (sent_again.status_code, sent_again.json()["state"]) == (200, "applied")
    assert sent_again.json()["duplicate"] is False
    assert result == "accepted"
    assert too_late.status_code == 410


async def test_callback_opened_after_the_backup_is_opened_again_by_the_next_attempt(
    shared_site: Site, unique: str
) -> None:
    site = shared_site
    async with site.gateway(), site.worker():
        back_up(site)
        workflow = await site.start_workflow(unique)
        link = await site.service.next_link()
        await site.until_submitted()
    restore(site)

    async with site.gateway(), site.worker():
        unknown = await site.post(link, "answer")
        failed = await Command(site)(
            "fail", "--workflow-id", unique, "--activity-id", "1", "--message", "restored a backup"
        )
        new_link = await site.service.next_link()
        applied = await site.post(new_link, "answer", prefer="wait=20")
        result = await workflow.result()

    assert (unknown.status_code, failed.code, failed.err) == (410, 0, "")
    assert (applied.json()["state"], result) == ("applied", "answer")


async def test_restored_store_needs_its_link_keys_and_forgets_a_revocation(
    shared_site: Site, unique: str
) -> None:
    site, keys = shared_site, shared_site.data / "ringback.keys"
    async with site.gateway(), site.worker():
        await site.start_workflow(unique)
        link = await site.service.next_link()
        await site.until_submitted()
        back_up(site)
        saved = keys.read_bytes()
        (callback,) = await site.callbacks()
        await Command(site)("revoke", callback.id)
        revoked = await site.post(link, "answer")
    restore(site)
    keys.unlink()

    async with site.gateway():
        without_keys = await site.post(link, "answer")
    keys.write_bytes(saved)
    async with site.gateway():
        with_keys = await site.post(link, "answer", prefer="wait=20")

    assert (revoked.status_code, without_keys.status_code) == (404, 404)
    assert (with_keys.status_code, with_keys.json()["state"]) == (200, "applied")
