"""How a client finds its gateway and its API key."""

from pathlib import Path

import pytest

from ringback.client.target import DEFAULT_URL, find_target
from ringback.domain.api_key import KeyId, Role, to_text
from ringback.domain.errors import ConfigurationError

KEY = to_text(KeyId("k1"), "a secret")


def test_arguments_win_over_the_environment() -> None:
    env = {"RINGBACK_URL": "http://other:1", "RINGBACK_API_KEY": "x"}

    found = find_target(Role.WORKER, url="https://h/prefix/", api_key=KEY, env=env)

    assert (found.url, found.api_key) == ("https://h/prefix", KEY)


def test_environment_names_both() -> None:
    found = find_target(
        Role.WORKER, env={"RINGBACK_URL": "http://h:1", "RINGBACK_API_KEY": f" {KEY}\n"}
    )

    assert (found.url, found.api_key, found.source) == ("http://h:1", KEY, "RINGBACK_API_KEY")


def test_key_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")

    found = find_target(Role.WORKER, env={"RINGBACK_API_KEY_FILE": str(tmp_path / "key")})

    assert found.api_key == KEY


@pytest.mark.parametrize("role", [Role.WORKER, Role.OPERATOR])
def test_key_of_this_machine_is_found_without_settings(tmp_path: Path, role: Role) -> None:
    (tmp_path / f"{role.value}.key").write_text(KEY)

    found = find_target(role, env={"RINGBACK_DATA": str(tmp_path)})

    assert (found.url, found.api_key) == (DEFAULT_URL, KEY)


def test_missing_key_error_has_the_path_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ringback keys add --role worker") as caught:
        find_target(Role.WORKER, env={"RINGBACK_DATA": str(tmp_path)})

    assert str(tmp_path / "worker.key") in str(caught.value)


def test_key_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigurationError, match="not UTF-8"):
        find_target(Role.WORKER, env={"RINGBACK_API_KEY_FILE": str(tmp_path / "key")})


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({"RINGBACK_API_KEY": "nope"}, "RINGBACK_API_KEY contains no API key"),
        ({"RINGBACK_API_KEY": KEY, "RINGBACK_API_KEY_FILE": "x"}, "not both"),
        ({"RINGBACK_API_KEY": KEY, "RINGBACK_URL": "ftp://h"}, "RINGBACK_URL"),
        ({"RINGBACK_API_KEY": KEY, "RINGBACK_URL": "http://h?x=1"}, "RINGBACK_URL"),
        ({"RINGBACK_API_KEY": KEY, "RINGBACK_URL": "h:8000"}, "RINGBACK_URL"),
    ],
)
def test_invalid_settings_are_refused(env: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        find_target(Role.WORKER, env=env)


def test_no_error_and_no_text_shows_the_key() -> None:
    found = find_target(Role.WORKER, api_key=KEY, env={})

    assert "a secret" not in repr(found)
    with pytest.raises(ConfigurationError) as caught:
        find_target(Role.WORKER, api_key=KEY.replace("rbk", "xyz"), env={})
    assert "a secret" not in str(caught.value)
