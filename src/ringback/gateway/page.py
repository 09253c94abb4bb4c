"""HTML pages for browsers: read-only and without scripts."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPMethod, HTTPStatus
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem }
body { overflow-wrap: anywhere }
pre, dd { white-space: pre-wrap }
pre { padding: .5rem; border: 1px solid #8886; border-radius: .25rem; font-size: .875rem }
dt { font-weight: 600 }
dd { margin: 0 0 .5rem }
"""

_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()

_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    # The URL is the credential, so the browser must not send it to the next site.
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex",
}

_HEADINGS: Final = {404: "This link is invalid or has expired"}


def _moment(text: str) -> str:
    """Return an instant of the JSON for people, in UTC."""
    at = datetime.fromisoformat(text).astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"moment": _moment, "pretty": _pretty}
TEMPLATES.globals["style"] = Markup(_STYLE)  # noqa: S704 - a constant


def page(view: dict[str, Any]) -> HTMLResponse:
    """Return `view` as a page."""
    return _page("callback.html", view)


def front_page() -> HTMLResponse:
    """Return the page that explains what a gateway is."""
    return _page("front.html", {})


def wants_page(request: Request) -> bool:
    """Return whether a browser sent the request, and not a program."""
    is_reading = request.method in {HTTPMethod.GET, HTTPMethod.HEAD}
    return is_reading and "text/html" in request.headers.get("accept", "")


def for_reader(request: Request, problem: JSONResponse) -> Response:
    """Return `problem` as a page for a browser, with the same status and headers."""
    if not wants_page(request):
        return problem
    detail = json.loads(bytes(problem.body))["detail"]
    heading = _HEADINGS.get(problem.status_code) or HTTPStatus(problem.status_code).phrase
    shown = {"status": problem.status_code, "heading": heading, "detail": detail}
    reply = _page("error.html", shown, status=problem.status_code)
    kept = ("retry-after", "allow")
    reply.headers.update({name: problem.headers[name] for name in kept if name in problem.headers})
    return reply


def _page(template: str, shown: dict[str, Any], *, status: int = 200) -> HTMLResponse:
    text = TEMPLATES.get_template(template).render(shown)
    return HTMLResponse(text, status, headers=_HEADERS)
