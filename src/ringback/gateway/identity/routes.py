"""The pages by which people sign in and out."""

import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from ringback.core.sessions import SignedIn
from ringback.domain.api_key import SECRET_BYTES, new_secret
from ringback.domain.durations import later
from ringback.domain.people_errors import SignInRefusedError
from ringback.gateway.encoded_bodies import read_form, to_fields
from ringback.gateway.gateway import Gateway, GatewayOf
from ringback.gateway.identity.csrf import CSRF_FIELD, check_csrf, csrf_token
from ringback.gateway.identity.login import (
    INBOX,
    LOGIN_LIFETIME,
    OIDC_CALLBACK,
    ONE_TIME,
    SIGN_IN,
    SIGN_OUT,
    SIGNED_IN,
    Login,
    find_login,
    to_local_path,
)
from ringback.gateway.identity.person import PersonOf, RequiredPerson, find_identity
from ringback.gateway.page import render_page

router = APIRouter(include_in_schema=False)

_SMALL: Final = 4096
"""Maximum bytes of these forms."""

_SEE_OTHER: Final = 303
_BEGIN_AGAIN: Final = (
    "this sign-in took too long, was finished already, or began in another browser; open /sign-in"
    " and try again"
)


@router.head(SIGN_IN)
@router.get(SIGN_IN)
async def sign_in(
    gateway: GatewayOf,
    person: PersonOf,
    next_path: Annotated[str | None, Query(alias="next")] = None,
) -> Response:
    """Send a person to the identity provider, or say how to sign in. Stores nothing."""
    path = to_local_path(next_path)
    ways = gateway.sign_in_ways
    if person is not None:
        return _go_to(gateway, path)
    if ways.provider is None:
        return render_page("sign_in.html", {"by_proxy": ways.proxy is not None})
    gateway.limits.sign_ins.check()
    now = gateway.clock.now()
    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    login = Login(secret, path, later(now, LOGIN_LIFETIME))
    url = await ways.provider.sign_in_url(login)
    reply = RedirectResponse(url, _SEE_OTHER, headers={"cache-control": "no-store"})
    cookie = login.to_cookie(gateway.keyring)
    ways.cookies.set(reply, ways.cookies.login, cookie, lifetime=LOGIN_LIFETIME)
    return reply


@router.get(OIDC_CALLBACK)
async def finish_sign_in(
    *,
    gateway: GatewayOf,
    request: Request,
    person: PersonOf,
    state: str = "",
    code: str = "",
    iss: str | None = None,
    error: str = "",
) -> Response:
    """Sign in the person whom the identity provider sent back, and show the page they asked for.

    Raises:
        SignInRefusedError: This browser did not begin the sign-in, or the provider refused it.
        IdentityProviderUnavailableError: The provider did not reply in time.
        TooManyRequestsError: Too many people sign in at the same time.
        StoreUnavailableError: The session cannot be stored; sign in again.
    """
    gateway.limits.sign_ins.check()
    ways = gateway.sign_in_ways
    cookie = request.cookies.get(ways.cookies.login, "")
    login = find_login(cookie, gateway.keyring, now=gateway.clock.now())
    if (
        ways.provider is None
        or login is None
        or not secrets.compare_digest(login.state.encode(), state.encode())
    ):
        if person is not None:
            # Another tab was faster, or the person went back to this address.
            return _go_to(gateway, INBOX)
        raise SignInRefusedError(_BEGIN_AGAIN)
    if error or not code:
        msg = "the identity provider did not sign you in; try again, or ask who operates it"
        raise SignInRefusedError(msg)
    proven = await ways.provider.find_person(login, code=code, issuer=iss)
    signed_in = await gateway.sessions.sign_in(proven, user_agent=_user_agent(request))
    reply = await _start_session(gateway, request, signed_in, path=login.next_path)
    ways.cookies.delete(reply, ways.cookies.login)
    return reply


@router.head(f"{ONE_TIME}/{{secret}}")
@router.get(f"{ONE_TIME}/{{secret}}")
async def show_sign_in_url(
    *, gateway: GatewayOf, request: Request, current: PersonOf, secret: str
) -> Response:
    """Show who would sign in, with a button. Opening the page does not use the URL up."""
    gateway.limits.sign_ins.check()
    person = await gateway.sessions.show_url(secret)
    shown = {
        "person": person,
        "current": current,
        "csrf": csrf_token(gateway, request, link=secret),
        "front": gateway.local_path("/"),
    }
    return render_page("sign_in_once.html", shown)


@router.post(f"{ONE_TIME}/{{secret}}")
async def use_sign_in_url(
    *, gateway: GatewayOf, request: Request, _: PersonOf, secret: str
) -> Response:
    """Use a sign-in URL up, and start a session."""
    gateway.limits.sign_ins.check()
    form = to_fields(await read_form(request, limit=_SMALL))
    check_csrf(gateway, request, form.get(CSRF_FIELD), link=secret)
    signed_in = await gateway.sessions.use_url(secret, user_agent=_user_agent(request))
    return await _start_session(gateway, request, signed_in, path=INBOX)


@router.head(SIGNED_IN)
@router.get(SIGNED_IN)
async def show_signed_in(gateway: GatewayOf, request: Request, person: RequiredPerson) -> Response:
    """Say that the sign-in in a second tab is done."""
    shown = {
        "person": person,
        "csrf": csrf_token(gateway, request),
        "sign_out": gateway.local_path(SIGN_OUT),
    }
    return render_page("signed_in.html", shown)


@router.post(SIGN_OUT)
async def sign_out(gateway: GatewayOf, request: Request, person: PersonOf) -> Response:
    """End the session of this browser."""
    form = to_fields(await read_form(request, limit=_SMALL))
    if person is not None:
        check_csrf(gateway, request, form.get(CSRF_FIELD))
        await _end_session(gateway, request)
    reply = _go_to(gateway, "/")
    gateway.sign_in_ways.cookies.delete(reply, gateway.sign_in_ways.cookies.session)
    return reply


async def _start_session(
    gateway: Gateway, request: Request, signed_in: SignedIn, *, path: str
) -> Response:
    """Return the redirect that gives a browser its new session, and end the one that it had."""
    await _end_session(gateway, request)
    reply = _go_to(gateway, path)
    cookies = gateway.sign_in_ways.cookies
    cookies.set(reply, cookies.session, signed_in.secret, lifetime=gateway.sessions.lifetime)
    return reply


async def _end_session(gateway: Gateway, request: Request) -> None:
    identity = await find_identity(gateway, request)
    if identity is not None and identity.session_id is not None:
        await gateway.sessions.revoke(identity.session_id)


def _go_to(gateway: Gateway, path: str) -> Response:
    headers = {"cache-control": "no-store"}
    return RedirectResponse(gateway.local_path(path), _SEE_OTHER, headers=headers)


def _user_agent(request: Request) -> str:
    return request.headers.get("user-agent", "")
