"""HTML pages for browsers. They work without scripts."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPMethod, HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from ringback.gateway.identity.login import SIGN_IN
from ringback.gateway.pages.form_layout import lay_out
from ringback.gateway.pages.form_model import to_shown

_FOLDER: Final = Path(__file__).parent / "templates"
_STYLE: Final = (_FOLDER / "style.css").read_text("utf-8")

_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()

_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": _POLICY,
    # The URL is the credential, so the browser must not send it to the next site. With
    # `no-referrer`, browsers would send the pages' own forms without their origin.
    "referrer-policy": "same-origin",
    "x-robots-tag": "noindex",
}

#: For a page with a script, which talks only to this gateway.
_SCRIPT_HEADERS: Final = {
    **_HEADERS,
    "content-security-policy": f"{_POLICY}; script-src 'self'; connect-src 'self'",
}

_HEADINGS: Final = {
    403: "This is not allowed",
    404: "This link is invalid or has expired",
    410: "This is over",
    503: "This does not work at the moment",
}

_ABOUT_SIGN_IN: Final = frozenset({"sign in refused", "identity provider unavailable"})
"""The titles of problems after which a person may sign in again."""


def _moment(text: str) -> str:
    """Return an instant of the JSON for people, in UTC."""
    at = datetime.fromisoformat(text).astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


TEMPLATES: Final = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"moment": _moment, "pretty": _pretty, "shown": to_shown}
TEMPLATES.globals["lay_out"] = lay_out
TEMPLATES.globals["style"] = Markup(_STYLE)  # noqa: S704 - a constant


def front_page() -> HTMLResponse:
    """Return the page that explains what a gateway is."""
    return render_page("front.html", {})


def api_page(app: FastAPI) -> HTMLResponse:
    """Return the OpenAPI document as a page. It is rendered once, which takes tens of ms."""
    if not hasattr(app.state, "api_page"):
        app.state.api_page = _render("api.html", {"document": app.openapi()})
    return HTMLResponse(app.state.api_page, headers=_HEADERS)


def wants_page(request: Request) -> bool:
    """Return whether a browser sent the request, and not a program."""
    is_reading = request.method in {HTTPMethod.GET, HTTPMethod.HEAD}
    return is_reading and _accepts_html(request)


def _accepts_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def for_reader(request: Request, problem: JSONResponse) -> Response:
    """Return `problem` as a page for a browser, with the same status and headers."""
    sent = request.headers.get("content-type", "").partition(";")[0]
    is_of_form = sent == "application/x-www-form-urlencoded" and _accepts_html(request)
    if not (wants_page(request) or is_of_form):
        return problem
    told = json.loads(bytes(problem.body))
    heading = _HEADINGS.get(problem.status_code) or HTTPStatus(problem.status_code).phrase
    shown = {
        "status": problem.status_code,
        "heading": heading,
        "detail": told["detail"][:1].upper() + told["detail"][1:],
        "sign_in": None,
    }
    if told["title"] in _ABOUT_SIGN_IN:
        shown["sign_in"] = request.app.state.gateway.local_path(SIGN_IN)
    reply = render_page("error.html", shown, status=problem.status_code)
    kept = ("retry-after", "allow")
    reply.headers.update({name: problem.headers[name] for name in kept if name in problem.headers})
    return reply


def render_page(
    template: str, shown: dict[str, Any], *, status: int = 200, has_script: bool = False
) -> HTMLResponse:
    """Return a template as a page, with the headers of all pages."""
    return HTMLResponse(
        _render(template, shown), status, headers=_SCRIPT_HEADERS if has_script else _HEADERS
    )


def _render(template: str, shown: dict[str, Any]) -> str:
    return TEMPLATES.get_template(template).render(shown)
