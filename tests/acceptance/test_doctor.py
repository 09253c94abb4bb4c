"""`ringback doctor` finds what is wrong, names it, and says what to do."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from sqlalchemy import text

from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from tests.acceptance.command_line import Command
from tests.acceptance.marks import on_both_stores, on_postgresql
from tests.acceptance.programs import free_port
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site

pytestmark = [pytest.mark.server, pytest.mark.processes]

OPTIONAL = ["channels", "sources", "queues"]
CHECKS = [
    *("store", "link keys", "clock", "Temporal", "permissions", "public URL", "worker key"),
    *OPTIONAL,
]


async def diagnose(site: Site, **environment: str) -> tuple[int, dict[str, str]]:
    """Return the exit code of `ringback doctor`, and for each check its line without its name."""
    ran = await Command(site)("doctor", stdin=b"", **environment)
    lines = [line for line in (ran.out + ran.err).splitlines() if line]
    found = {line[9:20].strip(): f"{line[:7].strip()}: {line[22:]}" for line in lines}
    return ran.code, found


def wrong(found: dict[str, str]) -> set[str]:
    return {check for check, line in found.items() if line.startswith("wrong: ")}


@asynccontextmanager
async def other_server(reply: bytes) -> AsyncIterator[str]:
    """Run what answers every request with `reply`; yield its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture(scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory, temporal_address: str
) -> AsyncIterator[Site]:
    """A site whose gateway runs; the tests that break nothing there share it."""
    folder = tmp_path_factory.mktemp("site")
    async with build_site(folder, temporal=temporal_address) as built, built.gateway():
        yield built


@on_both_stores
async def test_running_gateway_passes_all_checks(shared_site: Site) -> None:
    async with shared_site.gateway():
        code, found = await diagnose(shared_site)
        as_json = await shared_site.run("doctor", "--json")

    assert (code, wrong(found), list(found)) == (0, set(), CHECKS), found
    passed = {check for check, line in found.items() if line.startswith("ok: ")}
    assert passed == set(CHECKS) - set(OPTIONAL), found
    assert '{"check": "store", "status": "ok", "detail": ' in as_json.output


async def test_gateway_that_does_not_run_is_reported(shared_site: Site) -> None:
    async with shared_site.gateway():
        pass
    code, found = await diagnose(shared_site)

    assert (code, wrong(found)) == (1, {"public URL", "worker key"})
    assert "start the gateway with `ringback serve`" in found["public URL"]
    assert found["clock"].startswith("skipped: ")


async def test_missing_store_is_reported_and_not_created(shared_site: Site) -> None:
    code, found = await diagnose(shared_site)

    assert code == 1
    assert {"store", "link keys"} <= wrong(found)
    assert "does not exist" in found["store"]
    assert not (shared_site.data / "ringback.db").exists()


async def test_store_without_tables_is_reported(shared_site: Site) -> None:
    (shared_site.data / "ringback.db").touch()

    _, found = await diagnose(shared_site)

    assert "is empty; `ringback serve` or `ringback migrate` creates its tables" in found["store"]


async def test_store_of_a_newer_version_is_reported(shared_site: Site) -> None:
    await Command(shared_site)("migrate")
    with closing(sqlite3.connect(shared_site.data / "ringback.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")

    _, found = await diagnose(shared_site)

    assert "newer than this Ringback: upgrade Ringback" in found["store"]


@on_postgresql
async def test_database_that_cannot_be_written_is_reported(shared_site: Site) -> None:
    await Command(shared_site)("migrate")
    async with shared_site.connected() as connection:
        name = await connection.scalar(text("SELECT current_database()"))
        await connection.execute(
            text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        )

    _, found = await diagnose(shared_site)

    assert "store" in wrong(found), found
    assert "read-only" in found["store"]


@on_postgresql
async def test_database_that_cannot_be_reached_is_reported(shared_site: Site) -> None:
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/nothing"

    code, found = await diagnose(shared_site, RINGBACK_STORE=nowhere)

    assert code == 1
    assert {"store", "public URL"} == wrong(found), found
    assert found["worker key"].startswith("skipped: ")


@pytest.mark.parametrize(
    ("check", "says", "environment"),
    [
        ("link keys", "the key 'k1' has 1 bytes", {"RINGBACK_KEYS": "k1:12"}),
        ("Temporal", "cannot be reached", {"TEMPORAL_ADDRESS": "127.0.0.1:1"}),
        ("Temporal", "nowhere", {"TEMPORAL_NAMESPACE": "nowhere"}),
        ("Temporal", "correct TEMPORAL_ADDRESS", {"TEMPORAL_ADDRESS": "127.0.0.1:1"}),
        ("permissions", "DescribeWorkflowExecution", {"TEMPORAL_NAMESPACE": "nowhere"}),
        ("worker key", "serves", {"TEMPORAL_NAMESPACE": "nowhere"}),
        ("worker key", "rejects the API key", {"RINGBACK_API_KEY": "rbk_k1_secret"}),
        ("worker key", "cannot be reached", {"RINGBACK_URL": "http://127.0.0.1:1"}),
        ("public URL", "cannot be reached", {"RINGBACK_PUBLIC_URL": "http://127.0.0.1:1"}),
        ("settings", "RINGBACK_BODY_LIMIT", {"RINGBACK_BODY_LIMIT": "many"}),
    ],
)
async def test_wrong_setting_is_reported_with_its_check(
    running: Site, check: str, says: str, environment: dict[str, str]
) -> None:
    code, found = await diagnose(running, **environment)

    assert code == 1
    assert check in wrong(found), found
    assert says in found[check]


async def test_link_key_of_open_callbacks_that_is_missing_is_reported(
    shared_site: Site, unique: str
) -> None:
    site = shared_site
    async with site.gateway(), site.worker():
        await site.start_workflow(unique)
        await site.service.next_link()
        (callback,) = await site.callbacks()
    (site.data / "ringback.keys").unlink()

    async with site.gateway():
        _, found = await diagnose(site)
        status = await Command(site)("status")

    assert wrong(found) == {"link keys"}
    assert callback.key_id in found["link keys"]
    assert f"the link key {callback.key_id} of open callbacks is missing" in status.out


async def test_key_of_another_role_is_reported(running: Site) -> None:
    key = local_key_path(running.data, Role.OPERATOR)

    _, found = await diagnose(running, RINGBACK_API_KEY_FILE=str(key))

    assert wrong(found) == {"worker key"}
    assert "has the role operator" in found["worker key"]


async def test_clocks_that_differ_are_reported(running: Site) -> None:
    reply = b"HTTP/1.1 200 OK\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"
    async with other_server(reply) as url:
        code, found = await diagnose(running, RINGBACK_PUBLIC_URL=url)

    assert (code, wrong(found)) == (1, {"clock", "public URL"})
    assert "synchronize them" in found["clock"]


async def test_server_other_than_a_gateway_is_reported(running: Site) -> None:
    reply = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    async with other_server(reply) as url:
        _, found = await diagnose(running, RINGBACK_PUBLIC_URL=url)

    assert wrong(found) == {"public URL"}
    assert "answers with 404" in found["public URL"]
