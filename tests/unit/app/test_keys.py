"""Keys are given, or made once; and they are kept as keys are kept."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from ringback.app.keys import load_keyring
from ringback.domain.errors import ConfigurationError
from ringback.settings import Settings

ONE, OTHER = "11" * 32, "22" * 32


def test_without_keys_one_is_made_beside_the_store_and_kept(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)

    first, again = load_keyring(settings), load_keyring(settings)

    path = tmp_path / "ringback.keys"
    assert first.signing == again.signing
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(found.name for found in tmp_path.iterdir()) == [path.name]


def test_of_many_that_start_at_once_one_makes_the_key(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)

    with ThreadPoolExecutor(8) as threads:
        rings = list(threads.map(lambda _: load_keyring(settings), range(24)))

    assert len({ring.signing for ring in rings}) == 1


def test_the_first_key_that_is_given_signs(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, keys=SecretStr(f"new:{ONE},old:{OTHER}"))

    assert load_keyring(settings).signing == "new"
    assert list(tmp_path.iterdir()) == []


def test_a_file_holds_a_key_to_a_line(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"new:{ONE}\n\nold:{OTHER}\n")
    path.chmod(0o600)

    assert load_keyring(Settings(data=tmp_path, keys_file=path)).signing == "new"


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"new:{ONE}\n")
    path.chmod(0o640)

    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_keyring(Settings(data=tmp_path, keys_file=path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing cannot be read: No such file"):
        load_keyring(Settings(data=tmp_path, keys_file=tmp_path / "missing"))


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("", "no key in it"),
        ("k1", "32 random bytes"),
        ("k1:xyz", "hex digits"),
        (f"k1:{ONE[:-2]}", "32 random bytes"),
        (f"k.1:{ONE}", "letters and digits"),
        (f"k1:{ONE},k1:{OTHER}", "twice"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_without_being_told(
    tmp_path: Path, keys: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        load_keyring(Settings(data=tmp_path, keys=SecretStr(keys)))

    assert ONE[:-2] not in str(caught.value)


def test_a_store_for_several_machines_needs_keys_that_all_have(tmp_path: Path) -> None:
    store = SecretStr("postgresql://user@db.example/ringback")

    with pytest.raises(ConfigurationError, match="set RINGBACK_KEYS or RINGBACK_KEYS_FILE"):
        load_keyring(Settings(data=tmp_path, store=store))

    given = Settings(data=tmp_path, store=store, keys=SecretStr(f"k1:{ONE}"))
    assert load_keyring(given).signing == "k1"
    assert list(tmp_path.iterdir()) == []


def test_settings_do_not_show_keys(tmp_path: Path) -> None:
    assert ONE not in repr(Settings(data=tmp_path, keys=SecretStr(f"k1:{ONE}")))
