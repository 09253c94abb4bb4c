"""A command loads what it needs, and no more: it is to answer at once."""

import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import run

import pytest

from ringback.cli.main import COMMANDS, named

_SLOW = {"alembic", "fastapi", "jsonschema_rs", "sqlalchemy", "temporalio", "uvicorn"}

_SCRIPT = """
import sys
from ringback.app.exits import run_command
from ringback.cli.main import create_app, named

def begin():
    try:
        create_app(named(sys.argv[1:]))()
    finally:
        print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)

run_command(begin)
"""


def loaded_by(*words: str) -> set[str]:
    """Return which of the slow packages `ringback` has loaded once it has ended."""
    program = [sys.executable, "-c", _SCRIPT, *words]
    ended = run(program, capture_output=True, text=True, check=False)  # noqa: S603 - it stands above
    return _SLOW & set(ended.stderr.splitlines()[-1].split())


def test_the_version_is_told_without_any_of_it() -> None:
    assert loaded_by("--version") == set()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["keys", "add", "--role", "viewer", "--name", "ci"], {"alembic", "sqlalchemy"}),
        (["webhook-secret"], set()),
        (["list"], set()),
        (["show", "cb_1"], set()),
        (["approve", "cb_1"], set()),
        (["link", "cb_1"], set()),
        (["complete", "cb_1"], set()),
        (["complete", "--token", "0a24"], {"temporalio"}),
        (["complete", "--result", "{"], set()),
    ],
)
def test_a_command_loads_only_what_it_uses(
    words: list[str], expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))

    assert loaded_by(*words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["list", "--json"], ["list"]),
        (["keys", "list"], ["keys"]),
        (["--version"], []),
        ([], list(COMMANDS)),
        (["--help"], list(COMMANDS)),
        (["liste"], list(COMMANDS)),
    ],
)
def test_the_command_that_is_named_is_the_one_that_is_loaded(
    words: Sequence[str], expected: list[str]
) -> None:
    assert named(words) == expected
