"""Protection of pages that change something against requests that other sites make.

Two checks, each of which would do: the browser says where the request comes from, and the form has
a token that only this gateway can make.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request

from ringback.domain.people_errors import CrossSiteRequestError
from ringback.gateway.gateway import Gateway
from ringback.gateway.identity.login import SIGN_IN, SIGNED_IN
from ringback.gateway.identity.person import RequestIdentity

CSRF_FIELD: Final = "csrf"
"""The name of the hidden field with the token."""

_PURPOSE: Final = "csrf"
_NOT_OURS: Final = "this was not sent from a page of this gateway; open the page and send it again"
_UNPROVEN: Final = (
    "the browser did not say which page sent this; open the page under {url} in a current browser"
)


def check_same_origin(gateway: Gateway, request: Request) -> None:
    """Check that a page of this gateway sent `request`, as the browser says.

    Raises:
        CrossSiteRequestError: Another site sent it, or the browser does not say who did.
    """
    site = request.headers.get("sec-fetch-site")
    if site == "same-origin":
        return
    origin = request.headers.get("origin")
    is_ours = origin is not None and origin == _origin_of(gateway.public_url)
    if is_ours and site in {None, "none"}:
        return
    if site is None and origin in {None, "null"}:
        raise CrossSiteRequestError(_UNPROVEN.format(url=gateway.public_url))
    raise CrossSiteRequestError(_NOT_OURS)


def csrf_token(gateway: Gateway, request: Request, *, link: str | None = None) -> str:
    """Return the token for the forms of a page.

    It is bound to the link of a page for link holders, otherwise to the session of the person. The
    route must have found the person: use `PersonOf` or `RequiredPerson`.
    """
    return gateway.keyring.seal(_PURPOSE, _binding_of(request, link))


def has_csrf_token(
    gateway: Gateway, request: Request, sent: str | None, *, link: str | None = None
) -> bool:
    """Return whether `sent` is the token of this person, or of this link."""
    return gateway.keyring.is_sealed(_PURPOSE, _binding_of(request, link), sent or "")


def check_csrf(
    gateway: Gateway, request: Request, sent: str | None, *, link: str | None = None
) -> None:
    """Check that a page of this gateway sent `request`, by the browser and by the token `sent`.

    Raises:
        CrossSiteRequestError: One of the checks fails.
    """
    check_same_origin(gateway, request)
    if not has_csrf_token(gateway, request, sent, link=link):
        raise CrossSiteRequestError(_NOT_OURS)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a form was not used yet. Show it with what was typed, and let the person send it again.

    Attributes:
        message: What happened, and what to do.
        sign_in_path: Where to sign in, in a new tab; `None` if the person is signed in.
    """

    message: str
    sign_in_path: str | None


_SIGNED_OUT: Final = (
    "You are signed out: your session has ended. Nothing you typed is lost: sign in in a new tab,"
    " come back to this one, and send the form again."
)
_OTHER_SESSION: Final = (
    "You have signed in since this page was opened. Nothing was sent yet: check what you typed,"
    " and send the form again."
)


def find_obstacle(
    gateway: Gateway, request: Request, sent: str | None, *, link: str | None = None
) -> Obstacle | None:
    """Return why the form of `request` cannot be used yet; `None` if it can.

    The session may have ended, or another one begun, while the form was filled in. Show the page
    again with the typed values, a new token and the obstacle.

    Raises:
        CrossSiteRequestError: Another site sent it.
    """
    check_same_origin(gateway, request)
    if link is None and _identity_of(request) is None:
        query = urlencode({"next": SIGNED_IN})
        return Obstacle(_SIGNED_OUT, gateway.local_path(f"{SIGN_IN}?{query}"))
    if has_csrf_token(gateway, request, sent, link=link):
        return None
    return Obstacle(_OTHER_SESSION, None)


def _binding_of(request: Request, link: str | None) -> str:
    if link is not None:
        return f"link:{link}"
    identity = _identity_of(request)
    return "nobody" if identity is None else f"person:{identity.binding}"


def _identity_of(request: Request) -> RequestIdentity | None:
    assert hasattr(request.state, "identity"), "the route uses PersonOf or RequiredPerson"
    found: RequestIdentity | None = request.state.identity
    return found


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
