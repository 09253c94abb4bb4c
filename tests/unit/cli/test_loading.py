"""A command loads only what it needs, so that it starts fast."""

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
    """Return the slow packages that a command has loaded when it ends."""
    program = [sys.executable, "-c", _SCRIPT, *words]
    ended = run(program, capture_output=True, text=True, check=False)  # noqa: S603 - it stands above
    return _SLOW & set(ended.stderr.splitlines()[-1].split())


def test_version_loads_no_slow_package() -> None:
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
def test_command_loads_only_what_it_uses(
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
def test_named_command_is_the_loaded_one(words: Sequence[str], expected: list[str]) -> None:
    assert named(words) == expected
