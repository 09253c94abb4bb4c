"""The page that a browser gets: plain, and it changes nothing."""

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader
from starlette.responses import HTMLResponse

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True
)

_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    # The address is the credential: it must not travel on to wherever the page's reader goes next.
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex",
}


def page(view: dict[str, Any]) -> HTMLResponse:
    """Return `view` as a page."""
    return HTMLResponse(TEMPLATES.get_template("callback.html").render(view), headers=_HEADERS)
