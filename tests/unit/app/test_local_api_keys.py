"""The API keys that a gateway creates for clients on its machine."""

import logging
from pathlib import Path

import pytest

from ringback.app.credentials import LOCAL_ROLES, ensure_local_keys
from ringback.client.target import find_target
from ringback.core.api_auth import Authorizer
from ringback.domain.api_key import Act, Role
from ringback.domain.errors import ConfigurationError, UnknownKeyError
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase

ACTS = {Role.WORKER: Act.OPEN, Role.OPERATOR: Act.REVOKE}


@pytest.mark.parametrize("role", LOCAL_ROLES)
async def test_client_of_this_machine_needs_no_settings(
    tmp_path: Path, store: SqlStore, clock: ManualClock, role: Role
) -> None:
    await ensure_local_keys(tmp_path, store)

    target = find_target(role, env={"RINGBACK_DATA": str(tmp_path)})
    key = await Authorizer(store, clock=clock).authorize(target.api_key, ACTS[role])
    assert key.role is role
    assert (tmp_path / f"{role.value}.key").stat().st_mode & 0o777 == 0o600


async def test_second_start_keeps_the_keys(tmp_path: Path, store: SqlStore) -> None:
    await ensure_local_keys(tmp_path, store)
    before = [key.id for key in await store.all_keys()]

    await ensure_local_keys(tmp_path, store)

    assert [key.id for key in await store.all_keys()] == before


async def test_key_of_the_files_is_added_to_another_store(
    tmp_path: Path, store: SqlStore, clock: ManualClock
) -> None:
    await ensure_local_keys(tmp_path, store)

    with InMemoryDatabase(clock) as database:
        other = SqlStore(database)
        await ensure_local_keys(tmp_path, other)

        assert {key.role for key in await other.all_keys()} == set(LOCAL_ROLES)


async def test_revoked_key_stays_revoked_and_the_log_says_what_to_do(
    tmp_path: Path, store: SqlStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    await ensure_local_keys(tmp_path, store)
    for key in await store.all_keys():
        await store.revoke_key(key.id)

    with caplog.at_level(logging.WARNING):
        await ensure_local_keys(tmp_path, store)

    assert "delete the file to get a new one" in caplog.text
    target = find_target(Role.WORKER, env={"RINGBACK_DATA": str(tmp_path)})
    with pytest.raises(UnknownKeyError):
        await Authorizer(store, clock=clock).authorize(target.api_key, Act.OPEN)


async def test_file_without_a_key_is_refused(tmp_path: Path, store: SqlStore) -> None:
    (tmp_path / "worker.key").touch(0o600)

    with pytest.raises(ConfigurationError, match="contains no API key"):
        await ensure_local_keys(tmp_path, store)
