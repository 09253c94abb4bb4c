"""The formal model names code that exists, and its pages agree."""

import importlib
import re
from pathlib import Path

import pytest

FORMAL = Path(__file__).parents[2] / "formal"
MODEL = "".join(path.read_text("utf-8") for path in sorted(FORMAL.glob("*.pml")))

#: What chooses the size of the model and the question asked of it, and breaks nothing.
CHOICES = {"ATTEMPTS", "CRASHES", "LATE", "LIVENESS", "RESUME", "TABS"}

NAMED = sorted(set(re.findall(r"\bringback(?:\.\w+)+", MODEL)))


def broken_in_the_model() -> set[str]:
    named = re.findall(r"#ifn?def (\w+)|defined\((\w+)\)", MODEL)
    return {one or other for one, other in named} - CHOICES


def found(name: str) -> object:
    """Return the module, class or function of that name, public or private."""
    owner, _, last = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return getattr(found(owner), last)


@pytest.mark.parametrize("name", NAMED)
def test_code_that_the_model_names_exists(name: str) -> None:
    assert found(name) is not None


def test_check_finds_each_mistake_in_the_model() -> None:
    checked = re.findall(
        r"^broken (?:(?:LATE|RESUME|TABS)\+)?(\w+) ",
        (FORMAL / "run").read_text("utf-8"),
        re.MULTILINE,
    )

    assert sorted(checked) == sorted(broken_in_the_model())


def test_page_explains_each_mistake_in_the_model() -> None:
    explained = re.findall(
        r"^\| `(?:(?:LATE|RESUME|TABS)\+)?(\w+)` \|",
        (FORMAL / "README.md").read_text("utf-8"),
        re.MULTILINE,
    )

    assert sorted(explained) == sorted(broken_in_the_model())
