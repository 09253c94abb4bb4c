"""Routes for operators: create sign-in URLs, list sessions and revoke them."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Path, Query, Response

from ringback.domain.api_key import Act
from ringback.domain.person import Session, SessionId
from ringback.gateway.api.access import requires
from ringback.gateway.api.bodies import Body
from ringback.gateway.api.openapi import new_router
from ringback.gateway.gateway import GatewayOf
from ringback.gateway.identity.login import ONE_TIME
from ringback.schemas.sign_in import (
    RevokedOut,
    SessionOut,
    SessionsOut,
    SignInUrlIn,
    SignInUrlOut,
)
from ringback.schemas.values import ID_PATTERN, Name

router = new_router("")


@router.post(
    "/sign-in-urls",
    summary="Create a one-time sign-in URL for a person",
    dependencies=requires(Act.SIGN_IN),
)
async def create_sign_in_url(
    gateway: GatewayOf, asked: Body[SignInUrlIn], response: Response
) -> SignInUrlOut:
    """Return a URL that signs one browser in. It is a credential until it is used or expires."""
    made = await gateway.sessions.create_url(asked.to_person(), lifetime=asked.good_for)
    response.headers["cache-control"] = "no-store"
    return SignInUrlOut(
        url=f"{gateway.public_url}{ONE_TIME}/{made.secret}",
        user=made.person.user,
        expires_at=made.expires_at,
    )


@router.get(
    "/sessions",
    summary="List the sessions of people, newest first",
    dependencies=requires(Act.SESSIONS),
)
async def list_sessions(
    gateway: GatewayOf,
    user: Annotated[Name | None, Query(description="Only the sessions of this user.")] = None,
) -> SessionsOut:
    """Return at most 1000 sessions that are neither expired nor revoked."""
    found = await gateway.sessions.list(user=user)
    return SessionsOut(sessions=[_to_session_out(session) for session in found])


@router.delete("/sessions/{id}", summary="Revoke a session", dependencies=requires(Act.SESSIONS))
async def revoke_session(
    gateway: GatewayOf, session_id: Annotated[str, Path(alias="id", pattern=ID_PATTERN)]
) -> SessionOut:
    """Sign a browser out. It takes effect with its next request."""
    return _to_session_out(await gateway.sessions.revoke(SessionId(session_id)))


@router.delete(
    "/sessions", summary="Revoke all sessions of a user", dependencies=requires(Act.SESSIONS)
)
async def revoke_sessions(
    gateway: GatewayOf, user: Annotated[Name, Query(description="The user.")]
) -> RevokedOut:
    """Sign a person out everywhere. Sign-in URLs that were not used yet stay valid."""
    return RevokedOut(revoked=await gateway.sessions.revoke_all(user))


def _to_session_out(session: Session) -> SessionOut:
    person = session.person
    return SessionOut.model_validate({
        **asdict(session),
        **asdict(person),
        "admin": person.is_admin,
        "signed_in_by": person.proof_source.value,
        "groups": sorted(person.groups),
    })
