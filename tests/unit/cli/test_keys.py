"""A key is printed once, listed by its id, and revoked by its id."""

import json
import sqlite3
from pathlib import Path

import pytest
import typer

from ringback.app.program import run
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.cli.keys import add, list_keys, revoke
from ringback.core.api_auth import Authorizer
from ringback.domain.api_key import Act, Role
from ringback.domain.errors import UnknownKeyError
from ringback.settings import load_settings


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))


async def role_of(text: str) -> Role:
    clock = SystemClock()
    async with opened_store(load_settings(), clock) as store:
        return (await Authorizer(store, clock=clock).authorize(text, Act.VIEW)).role


def test_new_key_is_valid_until_it_is_revoked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    add(Role.VIEWER, "ci")
    text = capsys.readouterr().out.strip()
    assert run(role_of(text)) is Role.VIEWER

    list_keys(as_json=True)
    (listed,) = json.loads(capsys.readouterr().out)
    revoke(listed["id"])

    assert (listed["name"], listed["role"], listed["revoked_at"]) == ("ci", "viewer", None)
    with pytest.raises(UnknownKeyError):
        run(role_of(text))


def test_key_is_printed_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    add(Role.OPERATOR, "ci", as_json=True)
    printed = json.loads(capsys.readouterr().out)
    secret = printed["key"].split("_", 2)[2]

    list_keys()
    list_keys(as_json=True)

    assert secret not in capsys.readouterr().out
    assert all(secret.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    assert printed["key"].startswith(f"rbk_{printed['id']}_")


def test_every_key_is_different(capsys: pytest.CaptureFixture[str]) -> None:
    add(Role.OPERATOR, "ci")
    add(Role.OPERATOR, "ci")

    assert len(set(capsys.readouterr().out.splitlines())) == 2


def test_unknown_key_cannot_be_revoked() -> None:
    add(Role.OPERATOR, "ci")
    with pytest.raises(UnknownKeyError, match="ringback keys list"):
        revoke("nobody")


@pytest.mark.parametrize("name", ["", "x" * 101, "\x1b[2J"])
def test_name_with_wrong_characters_is_refused(name: str) -> None:
    with pytest.raises(typer.BadParameter):
        add(Role.OPERATOR, name)


def test_list_without_keys_says_where_it_looked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    add(Role.OPERATOR, "ci")
    settings = load_settings()
    with sqlite3.connect(settings.database_path) as connection:
        connection.execute("DELETE FROM api_keys")
    capsys.readouterr()

    list_keys()

    assert capsys.readouterr().out == f"no keys in {tmp_path / 'ringback.db'}\n"
