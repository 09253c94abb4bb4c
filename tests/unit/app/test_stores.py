"""The settings choose the store, and wrong settings are reported."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from ringback.app.stores import opened_store
from ringback.domain.errors import ConfigurationError, StoreUnavailableError
from ringback.settings import Settings
from ringback.testing import ManualClock
from tests import factories

_NOBODY = 65534

NOBODY = SecretStr("postgresql://user:geheim@127.0.0.1:1/x")


async def test_postgresql_without_its_driver_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    for module in ("postgresql", "listen_notify", "asyncpg_connection"):
        monkeypatch.delitem(sys.modules, f"ringback.store.{module}", raising=False)

    with pytest.raises(ConfigurationError, match=r"pip install 'ringback\[postgres\]'"):
        async with opened_store(Settings(store=NOBODY), ManualClock()):
            pass


async def test_unreachable_database_is_reported_without_the_password() -> None:
    with pytest.raises(StoreUnavailableError, match="not available") as caught:
        async with opened_store(Settings(store=NOBODY), ManualClock()):
            pass

    assert "geheim" not in str(caught.value)


async def test_invalid_database_url_is_reported_without_the_password() -> None:
    store = SecretStr("postgresql://user:geheim@127.0.0.1:1/x?sslmode=perhaps")

    with pytest.raises(ConfigurationError, match="RINGBACK_STORE") as caught:
        async with opened_store(Settings(store=store), ManualClock()):
            pass

    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("data", ["file", "file/data"])
async def test_data_folder_that_is_a_file_is_refused(tmp_path: Path, data: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="set RINGBACK_DATA"):
        async with opened_store(Settings(data=tmp_path / data), ManualClock()):
            pass


async def test_store_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    store = SecretStr(f"sqlite:///{tmp_path}")

    with pytest.raises(ConfigurationError, match="Is a directory"):
        async with opened_store(Settings(store=store), ManualClock()):
            pass


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which this user may not write; root becomes somebody else meanwhile."""
    tmp_path.chmod(0o500)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(_NOBODY)
    yield tmp_path
    if was_root:
        os.seteuid(0)
    tmp_path.chmod(0o700)


async def test_folder_without_write_permission_is_refused(read_only_folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="Permission denied"):
        async with opened_store(Settings(data=read_only_folder), ManualClock()):
            pass


def files_in(folder: Path) -> dict[Path, int]:
    """Return the files below `folder`, with their modes."""
    return {path: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


NAMES = [
    "a?b",
    "my%20dir",
    "a#b",
    "with space",
    "%",
    "?mode=ro",
    "日本 é",
    "file:x",
    "a&b=c;d",
    "'\"",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("setting", ["store", "data"])
async def test_store_uses_exactly_the_named_file(tmp_path: Path, name: str, setting: str) -> None:
    if setting == "store":
        path = tmp_path / name
        settings = Settings(store=SecretStr(f"sqlite:///{path}"))
    else:
        path = tmp_path / name / "ringback.db"
        settings = Settings(data=path.parent)

    async with opened_store(settings, ManualClock()) as store:
        await store.open([factories.request()])
        found = files_in(tmp_path)

    assert found == dict.fromkeys([path, Path(f"{path}-shm"), Path(f"{path}-wal")], 0o600)
