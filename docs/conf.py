"""Sphinx's configuration: the same Markdown as in the repository, built by `make docs`.

The source folder is the root of the repository, so that every relative link works in both.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from docs.diagrams import to_svg

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT: Final = Path(__file__).parents[1]
INDEX: Final = "docs/README"
CONTENTS: Final = {
    INDEX: {
        "Tutorials": r"\.\./tutorial/",
        "How-to guides": r"howto/",
        "Reference": r"reference/",
        "Explanation": r"explanation/|decisions/",
        "Project": r"\.\./(?!tutorial/)",
    },
    "tutorial/README": {"Exercises": r"\d"},
    "docs/decisions/README": {"Decisions": r"\d"},
}
"""The pages that list others: the captions of their lists, and where the pages of each are."""

project = "Ringback"
root_doc = INDEX
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
include_patterns = [
    "*.md",
    *(f"{folder}/**.md" for folder in ("docs", "tutorial", "examples", "benchmarks", "formal")),
    "docs/reference/api.rst",
]
exclude_patterns = ["**/.*", ".*", "build", "dist"]
html_theme = "furo"
html_title = "Ringback"
html_show_copyright = False
html_copy_source = False
pygments_style = "friendly"

myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings = ["misc.highlighting_failure"]  # an ellipsis in JSON shows what is left out
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!ringback).*"),  # the documentation of other projects is on the network
    # Type variables; a marker; a NewType.
    ("py:class", r"ringback\..*\.(T|R|Args|Unset|CallbackId)"),
    # What replies show; parts of the test kit.
    ("py:class", r"ringback\.(schemas|testing|domain\.callback)\..*"),
]
# Docstrings are plain text: single backticks are code.
default_role = "literal"
# They are in requirements/other-agents.txt.
autodoc_mock_imports = ["google.adk", "strands"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
python_use_unqualified_type_names = True


def setup(app: "Sphinx") -> None:
    """Register what Sphinx has no extension for."""
    app.connect("source-read", read_source)


def read_source(_app: "Sphinx", docname: str, source: list[str]) -> None:
    """Draw the page's diagrams; add the navigation to a page that lists others."""
    # Nothing here draws a flowchart: the site shows its text, and GitHub its drawing.
    text = source[0].replace("```mermaid\nflowchart", "```text\nflowchart")
    text = re.sub(r"```mermaid\n(.*?)```", lambda found: to_svg(found[1]), text, flags=re.S)
    source[0] = text + "".join(
        to_toctree(caption, text, where) for caption, where in CONTENTS.get(docname, {}).items()
    )


def to_toctree(caption: str, page: str, where: str) -> str:
    """Return a list of the pages that `page` links to, in its order, as Sphinx navigates them."""
    links = dict.fromkeys(re.findall(r"\]\(([^)#:]+\.(?:md|rst))\)", page))
    pages = "\n".join(link for link in links if re.match(where, link))
    return f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```"
