"""The site has every page and every public name, and its diagrams are drawn whole."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import ringback
from docs.conf import CONTENTS, to_toctree
from docs.diagrams import to_svg

ROOT = Path(__file__).parents[2]
DIAGRAMS = [
    diagram
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for diagram in re.findall(r"```mermaid\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
]


def listed_in(kind: str) -> str:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    return to_toctree(kind, index, CONTENTS["docs/README"][kind])


def test_index_lists_every_how_to_as_a_how_to() -> None:
    pages = {f"howto/{page.name}" for page in (ROOT / "docs" / "howto").glob("*.md")}

    assert pages == set(re.findall(r"^howto/.*$", listed_in("How-to guides"), re.MULTILINE))


@pytest.mark.parametrize("kind", CONTENTS["docs/README"])
def test_index_has_pages_of_each_kind(kind: str) -> None:
    assert re.search(r"\.(md|rst)$", listed_in(kind), re.MULTILINE)


def test_api_reference_has_every_public_name() -> None:
    page = (ROOT / "docs" / "reference" / "api.rst").read_text("utf-8")

    names = re.findall(r":: ringback\.(\w+)$", page, re.MULTILINE)

    assert sorted(names) == sorted(ringback.__all__)


@pytest.mark.parametrize("diagram", DIAGRAMS)
def test_diagram_is_drawn_with_all_its_words(diagram: str) -> None:
    svg = ET.fromstring(to_svg(diagram))[0]  # noqa: S314 - written by this project

    drawn = {text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    arrows = [path for path in svg.iter() if path.get("marker-end")]
    ends = re.findall(r".*\[\*\].*\n", diagram)

    assert {text.strip() for text in re.findall(r"(?:: | as )(.*)", diagram)} <= drawn
    assert len(arrows) == len(re.findall(r">>|-->", diagram.replace("-->>", ">>"))) - len(ends)


def test_diagram_is_one_html_block() -> None:
    """Markdown ends an HTML block at the first empty line."""
    assert all("\n\n" not in to_svg(diagram) for diagram in DIAGRAMS)


@pytest.mark.parametrize(
    "diagram", ["pie\n a : 1", "sequenceDiagram\nloop twice", "stateDiagram-v2\na : b"]
)
def test_diagram_that_cannot_be_drawn_is_an_error(diagram: str) -> None:
    with pytest.raises(ValueError, match="cannot draw"):
        to_svg(diagram)
