"""The file of people is read completely or not at all, and its errors repeat no secret."""

from pathlib import Path

import pytest

from ringback.domain.errors import ConfigurationError
from ringback.notify.people_file import People, read_people

CONTENT = """
[groups]
finance = ["ada@example.org", "lin"]

[users.lin]
mail = "lin@example.org"
slack = "U012AB3CD"

[channels]
ops = "ntfy://ntfy.example/hush"
"""


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "people.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_groups_users_and_channels_are_read(tmp_path: Path) -> None:
    people = read_people(write(tmp_path, CONTENT))

    assert people.directory.members_of("finance") == {"ada@example.org", "lin"}
    assert people.directory.mail_of("lin") == "lin@example.org"
    assert people.directory.slack_of("lin") == "U012AB3CD"
    assert people.channels == {"ops": "ntfy://ntfy.example/hush"}
    assert "hush" not in repr(people)


def test_nobody_is_known_without_a_file() -> None:
    assert read_people(None) == People()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[group]\nfinance = []", "group: Extra inputs are not permitted"),
        ("[groups]\nfinance = 'hush'", "groups.finance: Input should be a valid list"),
        ("[users.lin]\nphone = 'hush'", "users.lin.phone: Extra inputs are not permitted"),
        ("[channels]\nops = ['hush']", "channels.ops: Input should be a valid string"),
        ("[channels]\nmail = 'ntfy://hush'", "'mail' cannot be the name of a channel"),
        ("[channels]\n'a:b' = 'ntfy://hush'", "'a:b' cannot be the name of a channel"),
        ("[channels", "is not TOML"),
        (b"\xff", "is not UTF-8 text"),
    ],
)
def test_invalid_file_is_a_configuration_error(
    tmp_path: Path, content: str | bytes, why: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"people\.toml|channels") as caught:
        read_people(write(tmp_path, content))

    assert why in str(caught.value)
    assert "hush" not in str(caught.value)


def test_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml cannot be read: No such file"):
        read_people(tmp_path / "none.toml")
