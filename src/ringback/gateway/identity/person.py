"""The person of a request."""

from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from fastapi import Depends, Request

from ringback.domain.errors import StoreUnavailableError
from ringback.domain.people_errors import NotSignedInError
from ringback.domain.person import Person, SessionId
from ringback.domain.text_checks import to_key
from ringback.gateway.gateway import Gateway, GatewayOf

_SIGN_IN: Final = "sign in first: open /sign-in in a browser"


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """Who sent a request.

    Attributes:
        person: The person.
        binding: What a CSRF token of this person is bound to.
        session_id: The session, unless a proxy proved who the person is.
    """

    person: Person
    binding: str
    session_id: SessionId | None = None


async def find_identity(gateway: Gateway, request: Request) -> RequestIdentity | None:
    """Return who sent `request`; `None` if nobody is signed in. It is looked up once per request.

    Raises:
        SignInRefusedError: A trusted proxy sent headers that cannot be used.
        StoreUnavailableError: The session cannot be read; retry.
    """
    if not hasattr(request.state, "identity"):
        request.state.identity = await _find(gateway, request)
    found: RequestIdentity | None = request.state.identity
    return found


async def _find(gateway: Gateway, request: Request) -> RequestIdentity | None:
    ways = gateway.sign_in_ways
    if ways.proxy is not None:
        named = ways.proxy.find_person(request)
        if named is not None:
            person = gateway.sessions.promote(named)
            return RequestIdentity(person, f"proxy:{to_key(person.user)}")
    secret = ways.cookies.find_secret(request)
    session = None if secret is None else await gateway.sessions.find(secret)
    if session is None:
        return None
    return RequestIdentity(session.person, session.id, session.id)


async def is_still(gateway: Gateway, request: Request, person: Person) -> bool:
    """Return whether `request` would still be by `person`, with the same groups and rights.

    If the session cannot be read, it is.
    """
    try:
        identity = await _find(gateway, request)
    except StoreUnavailableError:
        return True
    return identity is not None and identity.person == person


async def find_person(gateway: GatewayOf, request: Request) -> Person | None:
    """Return the signed-in person of a request; `None` if nobody is signed in.

    Raises:
        SignInRefusedError: A trusted proxy sent headers that cannot be used.
        StoreUnavailableError: The session cannot be read; retry.
    """
    identity = await find_identity(gateway, request)
    return None if identity is None else identity.person


async def require_person(gateway: GatewayOf, request: Request) -> Person:
    """Return the signed-in person of a request.

    Raises:
        NotSignedInError: Nobody is signed in: a browser that reads is redirected to the sign-in
            page, others get 401.
        SignInRefusedError: A trusted proxy sent headers that cannot be used.
        StoreUnavailableError: The session cannot be read; retry.
    """
    person = await find_person(gateway, request)
    if person is None:
        raise NotSignedInError(_SIGN_IN)
    return person


PersonOf: TypeAlias = Annotated[Person | None, Depends(find_person)]
"""A parameter of a route: the signed-in person, or `None`."""

RequiredPerson: TypeAlias = Annotated[Person, Depends(require_person)]
"""A parameter of a route that only signed-in people may use."""
