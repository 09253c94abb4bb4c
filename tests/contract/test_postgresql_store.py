"""The store on PostgreSQL meets the contract, and handles a server's errors."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ringback.app.stores import opened_store
from ringback.core.services import task_group
from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.errors import ConfigurationError, StoreUnavailableError
from ringback.domain.ids import OutcomeId
from ringback.domain.outcome import Completed
from ringback.settings import Settings
from ringback.store.answers import accept
from ringback.store.callbacks import EXPIRE
from ringback.store.database import Connection
from ringback.store.links import REVOKE
from ringback.store.migrate import upgrade
from ringback.store.postgresql import PostgresqlDatabase
from ringback.store.queries import record
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests import factories
from tests.contract.concurrency import ConcurrencyContract
from tests.contract.concurrent_polls import ConcurrentPollsContract, SkipLockedContract
from tests.contract.concurrent_votes import ConcurrentVotesContract
from tests.contract.manual_clock_database import ManualClockDatabase
from tests.contract.postgresql_server import clock_of, execute
from tests.contract.sessions import ConcurrentSessionsContract
from tests.contract.store_contract import StoreContract
from tests.contract.stores import SECOND, opened

HOUR = timedelta(hours=1)

_WAITS = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"


@pytest.fixture
async def database(url: str) -> AsyncIterator[PostgresqlDatabase]:
    """A database that uses the server's clock, as programs do."""
    database = PostgresqlDatabase(url, patience=SECOND)
    yield database
    await database.close()


@pytest.fixture
async def stores(url: str, clock: ManualClock) -> AsyncIterator[Sequence[SqlStore]]:
    databases = [ManualClockDatabase(url, clock) for _ in range(4)]
    yield [SqlStore(database) for database in databases]
    for database in databases:
        await database.close()


class TestPostgresqlConcurrency(
    ConcurrencyContract, ConcurrentPollsContract, SkipLockedContract, ConcurrentSessionsContract
):
    pass


@pytest.mark.thorough
class TestPostgresqlVoteRaces(ConcurrentVotesContract):
    rounds = 25


@pytest.fixture(scope="session")
async def shared_database(shared_url: str) -> AsyncIterator[ManualClockDatabase]:
    """The database of the contract: a new one for each test would compile all statements again."""
    database = ManualClockDatabase(shared_url, ManualClock())
    yield database
    await database.close()


class TestPostgresqlStore(StoreContract):
    @pytest.fixture
    def database(
        self,
        shared_database: ManualClockDatabase,
        url: str,  # noqa: ARG002 - empties it
        clock: ManualClock,
    ) -> ManualClockDatabase:
        shared_database.clock = clock
        return shared_database

    @pytest.fixture
    def store(self, database: ManualClockDatabase) -> SqlStore:
        return SqlStore(database)


@asynccontextmanager
async def refusing(url: str, state: str) -> AsyncIterator[None]:
    """Make every insert of an outcome fail with SQLSTATE `state` for the block."""
    body = f"BEGIN RAISE EXCEPTION 'as the test wants' USING ERRCODE = '{state}'; END"
    await execute(
        url,
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
        "CREATE TRIGGER refuse BEFORE INSERT ON outcomes FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    try:
        yield
    finally:
        await execute(url, "DROP FUNCTION refuse CASCADE")


async def process_of(database: PostgresqlDatabase) -> object:
    async with database.writing() as connection:
        return await connection.scalar(text("SELECT pg_backend_pid()"))


async def until_it_waits(url: str, process: object) -> None:
    connection = await asyncpg.connect(url)
    try:
        while not await connection.fetchval(_WAITS, process):
            pass
    finally:
        await connection.close()


@pytest.mark.parametrize("off", [timedelta(minutes=10), timedelta(minutes=-10)], ids=str)
async def test_server_clock_dates_rows_whatever_machine_clocks_say(
    url: str, off: timedelta
) -> None:
    now = await clock_of(url)
    settings = Settings(store=SecretStr(url))
    requests = [factories.request(deadline=HOUR, on_deadline=Completed(b"0")) for _ in range(2)]

    async with (
        opened_store(settings, ManualClock(now + off)) as wrong,
        opened_store(settings, ManualClock(now)) as right,
    ):
        waiting, answered = await wrong.open(requests)
        await wrong.accept([factories.answer(answered.id)])
        (claimed,) = await wrong.claim("wrong", limit=9, lease=HOUR)
        nothing = await right.claim("right", limit=9, lease=HOUR)
        until_due, until_default = await right.next_due(), await right.next_default()
        overdue = [*await wrong.overdue(limit=9), *await wrong.due_defaults(limit=9)]
        extension = await wrong.extend(waiting.id, HOUR)

    assert waiting.own_deadline_at is not None
    assert waiting.own_deadline_at - waiting.opened_at == HOUR
    assert timedelta(0) <= waiting.opened_at - now < timedelta(minutes=1)
    assert (claimed.id, nothing, overdue) == (answered.id, [], [])
    for left in (until_due, until_default):
        assert left is not None
        assert HOUR - timedelta(minutes=1) < left <= HOUR
    assert extension.callback is not None
    assert extension.callback.own_deadline_at is not None
    assert extension.callback.own_deadline_at > waiting.own_deadline_at
    assert extension.callback.own_deadline_at - waiting.own_deadline_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("of_the_server", "of_ours"),
    [("off", "on"), ("local", "on"), ("remote_write", "on"), ("remote_apply", "remote_apply")],
)
async def test_commit_is_durable_whatever_the_server_default(
    empty_url: str, of_the_server: str, of_ours: str
) -> None:
    name = empty_url.rpartition("/")[2]
    await execute(empty_url, f'ALTER DATABASE "{name}" SET synchronous_commit = {of_the_server}')
    database = PostgresqlDatabase(empty_url)

    async with database.writing() as connection:
        setting = await connection.scalar(text("SHOW synchronous_commit"))
    await database.close()

    assert setting == of_ours


@pytest.mark.parametrize(
    ("name", "milliseconds"),
    [
        # The statement that sets ours must end within the server's.
        ("statement_timeout", 100),
        ("lock_timeout", 1),
        ("idle_in_transaction_session_timeout", 1),
    ],
)
async def test_timeout_of_the_server_does_not_shorten_ours(
    empty_url: str, name: str, milliseconds: int
) -> None:
    database_name = empty_url.rpartition("/")[2]
    await execute(empty_url, f'ALTER DATABASE "{database_name}" SET {name} = {milliseconds}')
    database = PostgresqlDatabase(f"{empty_url}?{name}={milliseconds}")

    await upgrade(database)
    callback = await opened(SqlStore(database))
    async with database.writing() as connection:
        setting = await connection.scalar(text(f"SHOW {name}"))
        await connection.execute(text("SELECT pg_sleep(0.2)"))
    await SqlStore(database).accept([factories.answer(callback.id)])
    await database.close()

    assert setting == "10s"


async def test_transactions_are_isolated_as_the_statements_expect(empty_url: str) -> None:
    name = empty_url.rpartition("/")[2]
    setting = "default_transaction_isolation = serializable"
    await execute(empty_url, f'ALTER DATABASE "{name}" SET {setting}')
    database = PostgresqlDatabase(empty_url)

    async with database.writing() as connection:
        isolation = await connection.scalar(text("SHOW transaction_isolation"))
    await database.close()

    assert isolation == "read committed"


async def test_instants_are_stored_to_the_microsecond(
    url: str, database: PostgresqlDatabase
) -> None:
    async with database.writing() as connection:
        now = await database.now(connection)

    assert now.tzinfo is UTC
    assert timedelta(0) <= await clock_of(url) - now < timedelta(minutes=1)


async def test_lock_time_is_after_release_by_other_transaction(
    url: str, database: PostgresqlDatabase
) -> None:
    callback = await opened(SqlStore(database))
    process: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def lock_too(connection: Connection) -> datetime:
        process.set_result(await connection.scalar(text("SELECT pg_backend_pid()")))
        return await database.lock_now(connection, [callback.id])

    async with asyncio.timeout(5), task_group() as group, database.writing() as connection:
        await database.lock_now(connection, [callback.id])
        second = group.create_task(database.write(lock_too))
        await until_it_waits(url, await process)
        released_at = await database.now(connection)

    assert second.result() >= released_at


async def test_answer_is_ordered_after_entries_of_transaction_it_waited_for(
    url: str, database: PostgresqlDatabase
) -> None:
    store = SqlStore(database)
    callback = await opened(store)
    process: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def accept_it(connection: Connection) -> dict[OutcomeId, datetime]:
        process.set_result(await connection.scalar(text("SELECT pg_backend_pid()")))
        return await accept(database, connection, [factories.answer(callback.id)])

    async with asyncio.timeout(5), task_group() as group, database.writing() as connection:
        await database.lock_now(connection, [callback.id])
        answering = group.create_task(database.write(accept_it))
        await until_it_waits(url, await process)
        now = await database.now(connection)
        await record(connection, [AuditEntry(callback.id, now, AuditKind.SUBMITTED, {})])

    (accepted_at,) = answering.result().values()
    assert accepted_at >= now
    trail = [entry.kind for entry in await store.audit_trail(callback.id)]
    assert trail == [AuditKind.OPENED, AuditKind.SUBMITTED, AuditKind.ACCEPTED]


async def test_answer_that_waited_for_expiry_or_revocation_is_not_accepted(
    url: str, database: PostgresqlDatabase
) -> None:
    store = SqlStore(database)
    over, revoked = await opened(store), await opened(store)
    ids = sorted([over.id, revoked.id])
    process: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    answers = [factories.answer(id_, link_serial=1) for id_ in ids]

    async def accept_them(connection: Connection) -> dict[OutcomeId, datetime]:
        process.set_result(await connection.scalar(text("SELECT pg_backend_pid()")))
        return await accept(database, connection, answers)

    async with asyncio.timeout(5), task_group() as group, database.writing() as connection:
        await database.lock_now(connection, ids)
        answering = group.create_task(database.write(accept_them))
        await until_it_waits(url, await process)
        values = {"callback_id": over.id, "now": factories.NOW, "reason": "over"}
        await connection.execute(EXPIRE, values)
        await connection.execute(REVOKE, {"callback_id": revoked.id})

    assert answering.result() == {}


@pytest.mark.parametrize(
    "state",
    [
        "53100",
        "53200",
        "53300",
        "40001",
        "40P01",
        "55P03",
        "57014",
        "57P01",
        "25006",
        "58030",
        "XX000",
    ],
)
async def test_failed_write_raises_and_stores_nothing(
    url: str, database: PostgresqlDatabase, state: str
) -> None:
    store = SqlStore(database)
    callback = await opened(store)
    async with refusing(url, state):
        with pytest.raises(StoreUnavailableError, match="as the test wants") as caught:
            await store.accept([factories.answer(callback.id)])

    message = "".join(traceback.format_exception(caught.value))
    assert callback.id not in message
    assert (await store.find([callback.id]))[callback.id] == callback
    assert len(await store.audit_trail(callback.id)) == 1
    await store.accept([factories.answer(callback.id)])


async def test_read_only_server_is_disconnected(url: str, database: PostgresqlDatabase) -> None:
    callback = await opened(SqlStore(database))
    before = await process_of(database)

    async with refusing(url, "25006"):
        with pytest.raises(StoreUnavailableError):
            await SqlStore(database).accept([factories.answer(callback.id)])

    assert await process_of(database) != before


async def test_check_write_fails_on_read_only_server(empty_url: str) -> None:
    name = empty_url.rpartition("/")[2]
    writable = PostgresqlDatabase(empty_url)
    await upgrade(writable)
    await execute(empty_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    read_only = PostgresqlDatabase(empty_url)

    await writable.check_write()
    with pytest.raises(StoreUnavailableError, match="read-only transaction"):
        await read_only.check_write()

    await writable.close()
    await read_only.close()


async def test_check_write_leaves_no_dead_row_behind(
    url: str, database: PostgresqlDatabase
) -> None:
    size = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'"
    connection = await asyncpg.connect(url)
    before = await connection.fetchval(size)
    log = await connection.fetchval("SELECT pg_current_wal_flush_lsn()")

    for _ in range(200):
        await database.check_write()

    assert await connection.fetchval(size) == before
    assert await connection.fetchval("SELECT pg_current_wal_flush_lsn() > $1", log)
    await connection.close()


async def test_libpq_parameters_are_used_or_ignored_with_warning(
    empty_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    parameters = (
        "sslmode=prefer&channel_binding=require&target_session_attrs=read-write&connect_timeout=3"
        "&application_name=billing&options=-c%20geqo%3Doff&keepalives_idle=30&work_mem=5MB"
    )
    database = PostgresqlDatabase(f"{empty_url}?{parameters}")

    await upgrade(database)
    shown = {}
    async with database.writing() as connection:
        for name in ("application_name", "geqo", "work_mem", "statement_timeout"):
            shown[name] = await connection.scalar(text(f"SHOW {name}"))
    await database.close()

    assert shown == {
        "application_name": "billing",
        "geqo": "off",
        "work_mem": "5MB",
        "statement_timeout": "10s",
    }
    assert "no effect: channel_binding, keepalives_idle" in caplog.text


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("nonsense=1", "unrecognized configuration parameter"),
        ("work_mem=lots", "invalid value"),
        ("connect_timeout=soon", "write whole seconds"),
        ("sslmode", "write <name>=<value>"),
        ("sslmode=perhaps", "sslmode"),
        ("target_session_attrs=best", "target_session_attrs"),
        ("sslcert=/nowhere/client.crt", "does not exist"),
        ("sslrootcert=/nowhere/ca.crt", "does not exist"),
    ],
)
async def test_invalid_parameter_raises_configuration_error(
    empty_url: str, parameter: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await upgrade(PostgresqlDatabase(f"{empty_url}?{parameter}"))


async def test_missing_database_error_says_what_to_do(empty_url: str) -> None:
    database = PostgresqlDatabase(f"{empty_url}_missing")

    with pytest.raises(ConfigurationError, match="does not exist; create the database"):
        await upgrade(database)

    await database.close()


async def test_error_of_user_without_permissions_says_what_to_do(
    postgresql: str, empty_url: str
) -> None:
    name = f"ringback_test_{uuid4().hex}"
    await execute(postgresql, f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    address = urlsplit(empty_url)
    url = urlunsplit(address._replace(netloc=f"{name}:x@{address.hostname}:{address.port}"))
    database = PostgresqlDatabase(url)
    try:
        with pytest.raises(ConfigurationError, match=r"permission denied.*; grant the user"):
            await upgrade(database)
    finally:
        await database.close()
        await execute(postgresql, f"DROP ROLE {name}")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_database_with_other_encoding_is_rejected(postgresql: str, encoding: str) -> None:
    name = f"ringback_test_{uuid4().hex}"
    await execute(
        postgresql,
        f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0",
    )
    database = PostgresqlDatabase(urlunsplit(urlsplit(postgresql)._replace(path=f"/{name}")))
    try:
        with pytest.raises(ConfigurationError, match=f"encoding {encoding}.*ENCODING 'UTF8'"):
            await upgrade(database)
    finally:
        await database.close()
        await execute(postgresql, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("state", ["22P05", "23514"])
async def test_unwritable_value_is_not_store_unavailable(
    url: str, database: PostgresqlDatabase, state: str
) -> None:
    store = SqlStore(database)
    callback = await opened(store)

    async with refusing(url, state):
        with pytest.raises(DBAPIError):
            await store.accept([factories.answer(callback.id)])

    await store.accept([factories.answer(callback.id)])


@pytest.mark.parametrize("workflow_id", ["a\x00b", "a\ud800b"], ids=["NUL", "surrogate"])
async def test_text_that_postgresql_rejects_is_not_store_unavailable(
    database: PostgresqlDatabase, workflow_id: str
) -> None:
    store = SqlStore(database)

    with pytest.raises(Exception, match=r".") as caught:
        await store.open([factories.request(ref=factories.activity_ref(workflow_id=workflow_id))])

    assert not isinstance(caught.value, StoreUnavailableError)
    await opened(store)
