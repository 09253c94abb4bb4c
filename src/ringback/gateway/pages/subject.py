"""The subject of a question: its description, and its details as nested rows and lists.

The description is a safe subset of Markdown: paragraphs, emphasis, code, lists, quotes and links to
websites.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from ringback.gateway.pages.form_model import to_label, to_shown, to_text

_MOST_LEVELS: Final = 4
"""Maximum nested rows and lists; what is deeper is shown as JSON."""

_MOST_PARTS: Final = 500
"""Maximum values with a row or a line of their own; the rest is shown as JSON."""


def _new_parser() -> MarkdownIt:
    parser = MarkdownIt("zero", {"html": False, "breaks": True}).enable([
        "list",
        "blockquote",
        "code",
        "fence",
        "newline",
        "emphasis",
        "backticks",
        "link",
        "escape",
    ])
    # Mailto and other schemes open programs, and a relative link would lead into this gateway.
    parser.validateLink = _is_website  # type: ignore[method-assign]  # - its documented hook
    return parser


def _is_website(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)


_PARSER: Final = _new_parser()


def render_markdown(text: str) -> Markup:
    """Return Markdown as HTML in which raw HTML is shown as text.

    Links open outside this gateway without saying where they come from.
    """
    tokens = _PARSER.parse(to_shown(text))
    for token in tokens:
        for inner in token.children or ():
            _protect(inner)
    html = _PARSER.renderer.render(tokens, _PARSER.options, {})
    return Markup(html)  # noqa: S704 - made of escaped text by a parser without raw HTML


def _protect(token: Token) -> None:
    if token.type == "link_open":
        token.attrSet("rel", "noopener noreferrer nofollow")


def to_shown_details(details: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the label of each detail, and `rows`, `entries` or `text`."""
    shower = _Shower()
    return [(to_label(name), shower.show(value, _MOST_LEVELS)) for name, value in details.items()]


class _Shower:
    def __init__(self) -> None:
        self._parts = 0

    def show(self, value: Any, levels: int) -> dict[str, Any]:
        if not value or not levels or not isinstance(value, Mapping | list):
            return {"text": to_text(value, indent=2)}
        if self._parts + len(value) > _MOST_PARTS:
            return {"text": to_text(value, indent=2)}
        self._parts += len(value)
        if isinstance(value, list):
            return {"entries": [self.show(one, levels - 1) for one in value]}
        rows = [(to_label(name), self.show(one, levels - 1)) for name, one in value.items()]
        return {"rows": rows}
