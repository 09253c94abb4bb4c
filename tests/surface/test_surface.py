"""Code, tables and budgets agree."""

import ast
import importlib
import inspect
import pkgutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import ringback
from docs.generate import ERRORS
from ringback.app.exits import EXITS, exit_code
from ringback.domain import errors
from ringback.domain.errors import FinalError, RetryableError, RingbackError
from ringback.gateway.replies import STATUS

ROOT = Path(__file__).parents[2]
ERROR_MODULES = [module.__name__ for module in ERRORS]
SOURCES = sorted((ROOT / "src" / "ringback").rglob("*.py"))


def leaves(kind: type[RingbackError] = RingbackError) -> Iterator[type[RingbackError]]:
    """Yield every error that can be raised: all but the branches, which are only caught."""
    for child in kind.__subclasses__():
        if child not in {FinalError, RetryableError}:
            yield child
        yield from leaves(child)


def test_every_error_is_in_a_module_of_errors() -> None:
    # Their frameworks are in requirements/other-agents.txt.
    elsewhere = {"ringback.agents.google_adk", "ringback.agents.strands"}
    for module in pkgutil.walk_packages(ringback.__path__, "ringback."):
        is_program = "migrations" in module.name or module.name.endswith("__main__")
        if not is_program and module.name not in elsewhere:
            importlib.import_module(module.name)

    assert {kind.__module__ for kind in leaves()} == set(ERROR_MODULES)


def test_every_error_has_an_http_status() -> None:
    assert set(leaves()) == set(STATUS)


@pytest.mark.parametrize("kind", list(leaves()), ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code_that_says_whether_to_retry(
    kind: type[RingbackError],
) -> None:
    code = exit_code(kind.__new__(kind))

    assert code in EXITS.values()
    assert (code == EXITS[RetryableError]) is issubclass(kind, RetryableError)


def test_drawn_tree_of_errors_is_the_real_one() -> None:
    drawn = [
        line.strip("│├└─ ").split()[0]
        for line in (errors.__doc__ or "").splitlines()
        if "Error" in line and "─" in line
    ]

    assert drawn == [kind.__name__ for kind in in_tree_order(RingbackError)]


def in_tree_order(kind: type[RingbackError]) -> Iterator[type[RingbackError]]:
    # Not in the order of `__subclasses__`, which depends on what was imported first.
    for child in sorted(kind.__subclasses__(), key=place_of):
        yield child
        yield from in_tree_order(child)


def place_of(kind: type[RingbackError]) -> tuple[int, int]:
    return ERROR_MODULES.index(kind.__module__), inspect.getsourcelines(kind)[1]


def test_public_names_exist_and_are_sorted() -> None:
    constants_first = sorted(ringback.__all__, key=lambda name: (not name.isupper(), name))
    assert ringback.__all__ == constants_first
    for name in ringback.__all__:
        assert getattr(ringback, name) is not None
    assert set(ringback.__all__) == set(ringback._HOMES)  # noqa: SLF001 - what loads each name


def test_dir_lists_every_public_name() -> None:
    assert set(ringback.__all__) < set(dir(ringback))


@pytest.mark.parametrize("name", ringback.__all__)
def test_every_public_name_has_a_docstring(name: str) -> None:
    assert getattr(ringback, name).__doc__


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_broad_except_is_in_one_module(path: Path) -> None:
    """Only a service's loop may survive any exception."""
    handlers = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
    ]
    broad = [
        one
        for one in handlers
        if one.type is None or ast.unparse(one.type) in {"Exception", "BaseException"}
    ]

    assert not broad or path.name == "services.py"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_suppression_has_its_reason_in_the_same_line(path: Path) -> None:
    for line in path.read_text().splitlines():
        for excuse in ("# noqa", "# type: ignore", "# pragma"):
            if excuse in line:
                assert " - " in line.partition(excuse)[2], line


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert project["tool"]["hatch"]["version"]["path"] == "src/ringback/__init__.py"
    assert ringback.__version__


def test_pins_have_no_url() -> None:
    pins = (ROOT / "requirements" / "dev.txt").read_text()

    assert "://" not in pins
    assert all("==" in line for line in pins.splitlines() if line and not line.startswith("#"))
