"""Wrong usage exits with 2 and a message, before a request is sent or a store is opened."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typer.testing import CliRunner, Result

from ringback.cli.main import create_app, named
from ringback.domain.errors import ConfigurationError

TOKEN = "0a24"  # noqa: S105 - it opens nothing


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "500")


def run(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(create_app(named(words)), words, input=stdin)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["complete"], "name one activity"),
        (["complete", "--token", "no token!"], "neither hexadecimal nor base64"),
        (["complete", "--token", "abcd"], "neither hexadecimal nor base64 of a task token"),
        (["complete", "--task-token", "abcd"], "neither hexadecimal nor base64 of a task token"),
        (["complete", "--tasktoken", "abcd"], "neither hexadecimal nor base64 of a task token"),
        (["complete", "--token", "nope"], "neither hexadecimal nor base64 of a task token"),
        (["complete", "cb_1", "--callback", "cb_1"], "name the callback once"),
        (["complete", "cb_1", "1", "--result", "1"], "give the result once"),
        (["complete", "cb_1", "{secret}"], "this is not JSON"),
        (["complete", "cb_1", "--token", TOKEN], "name one activity"),
        (["complete", "--token-file", "/no/such/file"], "cannot be read"),
        (["complete", "--token", TOKEN, "--callback", "cb_1"], "name one activity"),
        (["complete", "--token", TOKEN, "--namespace", "billing"], "TEMPORAL_NAMESPACE"),
        (["complete", "--token", TOKEN, "--workflow-id", "w"], "go with --activity-id"),
        (["complete", "--callback", "cb_1", "--run-id", "r"], "go with --activity-id"),
        (["complete", "--callback", "https://ring.example/c/secret"], "begins with cb_"),
        (["complete", "--callback", ""], "begins with cb_"),
        (["complete", "--alias", "a", '"done"'], "a result goes by --result"),
        (["complete", "--workflow-id", "", "--activity-id", "1"], "--workflow-id is empty"),
        (["complete", "--run-id", " ", "--activity-id", "1"], "--run-id is empty"),
        (["complete", "--activity-id", ""], "--activity-id is empty"),
        (["complete", "--callback", "cb_1", "--activity-id", "1"], "name one activity"),
        (["complete", "--callback", "cb_1", "--result", "{secret}"], "this is not JSON"),
        (["complete", "--activity-id", "1", "--wait", "5"], "--wait only works with a callback"),
        (["complete", "--token", "-", "--result", "-"], "only one thing"),
        (["heartbeat", "--activity-id", "1", "--details", "secret"], "this is not JSON"),
        (["complete", "--callback", "cb_1", "--result", "1e400"], "a number is out of range"),
        (["heartbeat", "--activity-id", "1", "--details", "[1e400]"], "a number is out of range"),
        (["cancel", "--activity-id", "1", "--details", "secret"], "this is not JSON"),
        (["fail", "--callback", "cb_1"], "--message"),
        (["fail", "--callback", "cb_1", "--message", "m", "--details", "secret"], "not JSON"),
        (["fail", "--callback", "cb_1", "--message", "m", "--next-retry-delay", "x"], "duration"),
        (["approve", "cb_1", "--result", "-", "--form", "-"], "only one thing"),
        (["approve", "https://ring.example/c/secret"], "begins with cb_"),
        (["link", "cb_1", "--verbs", "complete,destroy"], "is not a verb of a link"),
        (["link", "cb_1", "--for", "ever"], "is not a duration"),
        (["list", "--older-than", "soon"], "is not a duration"),
        (["list", "--after", "https://ring.example/c/secret"], "begins with cb_"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(words: list[str], message: str) -> None:
    ran = run(*words)

    assert ran.exit_code == 2
    assert message in ran.stderr
    assert "secret" not in ran.stderr
    assert ran.stdout == ""


def test_empty_standard_input_is_refused_as_token() -> None:
    ran = run("complete", "--token", "-", stdin="")

    assert ran.exit_code == 2
    assert "neither hexadecimal nor base64" in ran.stderr


def test_every_command_has_a_json_option() -> None:
    silent = [
        name
        for name, command in commands(get_command(create_app()), "ringback")
        if not any("--json" in parameter.opts for parameter in command.params)
    ]

    # Its standard output is JSON of a protocol anyway.
    assert silent == ["ringback mcp"]


def commands(command: object, name: str) -> Iterator[tuple[str, TyperCommand]]:
    """Yield each command with its words, without groups."""
    if isinstance(command, TyperGroup):
        for inner in command.commands.items():
            yield from commands(inner[1], f"{name} {inner[0]}")
    else:
        assert isinstance(command, TyperCommand)
        yield name, command


def test_several_processes_on_sqlite_are_refused() -> None:
    ran = run("serve", "--processes", "2")

    assert isinstance(ran.exception, ConfigurationError)
    assert str(ran.exception).startswith("--processes needs PostgreSQL")
