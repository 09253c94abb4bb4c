"""Commands that need a store create none: a mistyped setting is an error that says so."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ringback.app.stores import existing_store
from ringback.app.system import SystemClock
from ringback.cli.answer import complete
from ringback.cli.decide import approve, reject
from ringback.cli.keys import list_keys
from ringback.cli.keys import revoke as revoke_key
from ringback.cli.look import events, list_callbacks, show
from ringback.cli.operate import extend, link, redeliver, revoke
from ringback.domain.errors import ConfigurationError
from ringback.settings import Settings

COMMANDS: dict[str, Callable[[], None]] = {
    "list": list_callbacks,
    "show": lambda: show("cb_1"),
    "events": lambda: events("cb_1"),
    "link": lambda: link("cb_1"),
    "revoke": lambda: revoke("cb_1"),
    "extend": lambda: extend("cb_1", timedelta(hours=1)),
    "redeliver": lambda: redeliver("cb_1"),
    "approve": lambda: approve("cb_1"),
    "reject": lambda: reject("cb_1"),
    "complete": lambda: complete(callback="cb_1"),
    "keys list": list_keys,
    "keys revoke": lambda: revoke_key("k1"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_without_a_store_names_the_path_and_creates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path / "mistyped"))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")

    with pytest.raises(ConfigurationError) as caught:
        COMMANDS[command]()

    assert f"there is no store at {tmp_path / 'mistyped' / 'ringback.db'}" in str(caught.value)
    assert "RINGBACK_DATA" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


async def test_file_of_another_program_is_no_store_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE invoices (id)")

    with pytest.raises(ConfigurationError, match="there is no store at"):
        async with existing_store(Settings(store=f"sqlite:///{path}"), SystemClock()):
            pass

    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("invoices",)]
