"""Link keys come from the settings or are created once, and stay secret."""

import stat
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from ringback.app.credentials import load_keyring, load_or_create_keyring
from ringback.domain.errors import ConfigurationError
from ringback.settings import Settings

ONE, OTHER = "11" * 32, "22" * 32


def test_without_keys_one_is_created_next_to_the_store(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)

    first, again = load_or_create_keyring(settings), load_keyring(settings)

    path = tmp_path / "ringback.keys"
    assert first.signing == again.signing
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(found.name for found in tmp_path.iterdir()) == [path.name]


def test_simultaneous_starts_create_one_key(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)

    with ThreadPoolExecutor(8) as threads:
        rings = list(threads.map(lambda _: load_or_create_keyring(settings), range(24)))

    assert len({ring.signing for ring in rings}) == 1


def test_first_key_signs(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, keys=SecretStr(f"new:{ONE},old:{OTHER}"))

    assert load_keyring(settings).signing == "new"
    assert list(tmp_path.iterdir()) == []


def test_key_file_has_one_key_per_line(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"new:{ONE}\n\nold:{OTHER}\n")
    path.chmod(0o600)

    assert load_keyring(Settings(data=tmp_path, keys_file=path)).signing == "new"


@pytest.mark.parametrize(
    ("mode", "warning"),
    [
        (0o400, None),
        (0o600, None),
        (0o440, None),
        (0o640, None),
        (0o444, "can read"),
        (0o644, "can read"),
        (0o660, "can change"),
    ],
)
def test_mounted_key_file_is_used_with_the_mode_of_its_platform(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warning: str | None
) -> None:
    path = mounted(tmp_path, mode)

    keyring = load_keyring(Settings(data=tmp_path, keys_file=path))

    assert keyring.signing == "new"
    assert len(caplog.records) == (0 if warning is None else 1)
    assert (warning or "") in caplog.text
    assert ONE not in caplog.text


@pytest.mark.parametrize("mode", [0o602, 0o622, 0o666, 0o777], ids=oct)
def test_key_file_that_every_user_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = mounted(tmp_path, mode)

    with pytest.raises(ConfigurationError, match=f"mode {mode:04o}.*chmod 600"):
        load_keyring(Settings(data=tmp_path, keys_file=path))


def mounted(folder: Path, mode: int) -> Path:
    """Return a key file behind the two symlinks that Kubernetes makes."""
    version = folder / "..2026_11_28"
    version.mkdir()
    (version / "keys").write_text(f"new:{ONE}\n")
    (version / "keys").chmod(mode)
    (folder / "..data").symlink_to(version.name)
    (folder / "keys").symlink_to("..data/keys")
    return folder / "keys"


@pytest.mark.parametrize(
    ("mode", "is_used"), [(0o600, True), (0o660, True), (0o604, False), (0o606, False)]
)
def test_own_key_file_that_every_user_can_read_is_refused(
    tmp_path: Path, mode: int, *, is_used: bool
) -> None:
    settings = Settings(data=tmp_path)
    made = load_or_create_keyring(settings)
    (tmp_path / "ringback.keys").chmod(mode)

    if is_used:
        assert load_keyring(settings).signing == made.signing
    else:
        with pytest.raises(ConfigurationError, match="chmod 600"):
            load_keyring(settings)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_key_file_that_is_not_utf_8_is_refused(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "keys"
    path.write_text(f"é:{ONE}\n", encoding)

    with pytest.raises(ConfigurationError, match="save it as UTF-8") as caught:
        load_keyring(Settings(data=tmp_path, keys_file=path))

    assert ONE not in "".join(traceback.format_exception(caught.value))


def test_key_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"new:{ONE}\n", "utf-8-sig")

    assert load_keyring(Settings(data=tmp_path, keys_file=path)).signing == "new"


def test_key_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        load_keyring(Settings(data=tmp_path, keys_file=tmp_path))


def test_missing_key_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing cannot be read: No such file"):
        load_keyring(Settings(data=tmp_path, keys_file=tmp_path / "missing"))


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("", "contains no key"),
        ("k1", "write <id>:<64 hex digits>"),
        ("k1:xyz", "hex digits"),
        (f"k1:{ONE[:-2]}", "32 random bytes"),
        (f"k.1:{ONE}", "letters and digits"),
        (f"k1:{ONE},k1:{OTHER}", "twice"),
    ],
)
def test_invalid_keys_are_refused_without_being_shown(
    tmp_path: Path, keys: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        load_keyring(Settings(data=tmp_path, keys=SecretStr(keys)))

    assert ONE[:-2] not in str(caught.value)


def test_postgresql_needs_keys_in_the_settings(tmp_path: Path) -> None:
    store = SecretStr("postgresql://user@db.example/ringback")

    with pytest.raises(ConfigurationError, match="set RINGBACK_KEYS or RINGBACK_KEYS_FILE"):
        load_keyring(Settings(data=tmp_path, store=store))

    given = Settings(data=tmp_path, store=store, keys=SecretStr(f"k1:{ONE}"))
    assert load_keyring(given).signing == "k1"
    assert list(tmp_path.iterdir()) == []


def test_settings_do_not_show_keys(tmp_path: Path) -> None:
    assert ONE not in repr(Settings(data=tmp_path, keys=SecretStr(f"k1:{ONE}")))


def test_load_keyring_creates_no_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"ringback\.keys cannot be read"):
        load_keyring(Settings(data=tmp_path / "mistyped"))

    assert list(tmp_path.iterdir()) == []
