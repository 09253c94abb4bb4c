"""The store is the one that the settings name."""

import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from ringback.app.stores import opened_store
from ringback.domain.errors import ConfigurationError, StoreUnavailableError
from ringback.settings import Settings
from ringback.testing import ManualClock

NOBODY = SecretStr("postgresql://user:geheim@127.0.0.1:1/x")


async def test_without_its_driver_a_postgresql_store_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    for module in ("postgresql", "news", "driver"):
        monkeypatch.delitem(sys.modules, f"ringback.store.{module}", raising=False)

    with pytest.raises(ConfigurationError, match=r"pip install 'ringback\[postgres\]'"):
        async with opened_store(Settings(store=NOBODY), ManualClock()):
            pass


async def test_a_server_that_does_not_answer_is_told_without_the_password() -> None:
    with pytest.raises(StoreUnavailableError, match="not available") as caught:
        async with opened_store(Settings(store=NOBODY), ManualClock()):
            pass

    assert "geheim" not in str(caught.value)


async def test_an_address_that_the_driver_does_not_understand_is_told_without_the_password() -> (
    None
):
    store = SecretStr("postgresql://user:geheim@127.0.0.1:1/x?sslmode=perhaps")

    with pytest.raises(ConfigurationError, match="RINGBACK_STORE") as caught:
        async with opened_store(Settings(store=store), ManualClock()):
            pass

    assert "geheim" not in str(caught.value)


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        async with opened_store(Settings(data=tmp_path / "file" / "data"), ManualClock()):
            pass
