"""A restored store behaves as docs/howto/backup.md says; its commands work when copied."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE, STDOUT

import pytest
from sqlalchemy import text

from ringback.domain.callback import State
from tests.acceptance.command_line import Command
from tests.acceptance.many_callbacks_worker import Questions
from tests.acceptance.marks import on_both_stores
from tests.acceptance.programs import LIMIT_SECONDS, free_port
from tests.acceptance.site import Site
from tests.acceptance.test_howto_shell import commands_of
from tests.polling import pause

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]


async def back_up(site: Site) -> None:
    """Run the page's command for a backup."""
    await run_of_page(site, "sqlite3 ringback.db" if site.postgresql is None else "pg_dump")


async def restore(site: Site) -> None:
    """Run the page's command for a restore."""
    await run_of_page(site, "install -m 600" if site.postgresql is None else "pg_restore")


async def run_of_page(site: Site, containing: str) -> None:
    """Run the one command of the page that contains this, as an operator would copy it."""
    (command,) = [one for one in commands_of("backup") if containing in one]
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", command),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        cwd=site.data,
        env={**os.environ, **site.environment},
    )
    printed, _ = await asyncio.wait_for(process.communicate(), LIMIT_SECONDS)
    assert process.returncode == 0, printed.decode()


async def destroy(site: Site) -> None:
    """Damage the store as a failed disk or a wrong command does."""
    if site.postgresql is None:
        (site.data / "ringback.db").write_bytes(b"\0" * 4096)
        return
    async with site.connected() as connection:
        await connection.execute(text("DROP TABLE outcomes CASCADE"))
        await connection.execute(text("TRUNCATE callbacks CASCADE"))


async def until_expired(site: Site) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while not await site.callbacks(frozenset({State.EXPIRED})):
            await pause()


@on_both_stores
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
        await back_up(site)
        await site.post(delivered_link, "delivered", prefer="wait=20")
        assert await delivered.result() == "delivered"
    async with site.gateway(TEMPORAL_ADDRESS=nowhere):
        accepted = await site.post(waiting_link, "accepted")
    await destroy(site)
    await restore(site)

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


@on_both_stores
async def test_callback_opened_after_the_backup_is_opened_again_by_the_next_attempt(
    shared_site: Site, unique: str
) -> None:
    site = shared_site
    async with site.gateway(), site.worker():
        await back_up(site)
        workflow = await site.start_workflow(unique)
        link = await site.service.next_link()
        await site.until_submitted()
    await destroy(site)
    await restore(site)

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
        await back_up(site)
        saved = keys.read_bytes()
        (callback,) = await site.callbacks()
        await Command(site)("revoke", callback.id)
        revoked = await site.post(link, "answer")
    await destroy(site)
    await restore(site)
    keys.unlink()

    async with site.gateway():
        without_keys = await site.post(link, "answer")
    keys.write_bytes(saved)
    async with site.gateway():
        with_keys = await site.post(link, "answer", prefer="wait=20")

    assert (revoked.status_code, without_keys.status_code) == (404, 404)
    assert (with_keys.status_code, with_keys.json()["state"]) == (200, "applied")


@on_both_stores
async def test_backup_under_traffic_restores_to_answers_that_each_count_once(
    shared_site: Site,
) -> None:
    site, count = shared_site, 12
    async with site.gateway() as gateway, site.many_callbacks_worker():
        workflow = await site.ask(Questions(count))
        links = await site.service.next_links(count)
        await site.until_submitted()
        early, late = links[: count // 2], links[count // 2 :]
        *_, accepted = await asyncio.gather(
            back_up(site), site.answer_all({link: link[-8:] for link in early})
        )
        during = await site.post(late[0], late[0][-8:], prefer="wait=20")
        await gateway.kill()
        await destroy(site)
        await restore(site)

        async with site.gateway():
            again = await site.answer_all({link: link[-8:] for link in links})
            result = await workflow.result()
            rejected = await Command(site)("status")

    assert {one.status_code for one in accepted} <= {200, 202}
    assert during.json()["state"] == "applied"
    # What had reached Temporal is refused, or is a duplicate that the backup has.
    assert {one.status_code for one in again} <= {200, 202, 410}
    assert sorted(result) == sorted(link[-8:] for link in links)
    assert (rejected.code, rejected.out.splitlines()[0]) == (0, "all is well")
    logged = [line for line in gateway.lines if "answers accepted" in line]
    (callback,) = [one for one in await site.callbacks() if one.id in during.text]
    assert any(callback.id in line for line in logged)


async def test_copy_of_the_store_is_not_readable_by_others(shared_site: Site) -> None:
    site = shared_site
    async with site.gateway():
        await back_up(site)
    await restore(site)

    modes = [(site.data / name).stat().st_mode & 0o777 for name in ("copy.db", "ringback.db")]
    assert modes == [0o600, 0o600]
