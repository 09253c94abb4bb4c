"""Sessions: sign people in, find who sent a request, and sign them out."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.api_key import SECRET_BYTES, digest_secret, new_secret
from ringback.domain.ids import RANDOM_BYTES, new_session_id
from ringback.domain.people_errors import UnknownSessionError, UnknownSignInUrlError
from ringback.domain.person import LONGEST_USER_AGENT, NO_ADMINS, Admins, Person, Session, SessionId
from ringback.ports.access import NewSession, SessionLimits, Sessions, SignInUrls
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

SEEN_EVERY: Final = timedelta(minutes=5)
"""The use of a session is stored at most this often, so that reading a page writes nothing."""

MOST_LISTED: Final = 1000

_UNKNOWN: Final = (
    "this sign-in link was used already, has expired, or was cut off when it was copied; ask for a"
    " new one"
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session.

    Attributes:
        session: The session.
        secret: Its secret, which only the browser keeps.
    """

    session: Session
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignInUrl:
    """A new one-time sign-in URL.

    Attributes:
        person: Who signs in with it.
        secret: Its secret part.
        expires_at: When it expires.
    """

    person: Person
    secret: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionRules:
    """The rules of sessions.

    Attributes:
        lifetime: How long a session lasts, however often it is used.
        idle: How long a session lasts without being used.
        admins: Who is an admin.
    """

    lifetime: timedelta = timedelta(hours=12)
    idle: timedelta = timedelta(hours=4)
    admins: Admins = NO_ADMINS


DEFAULT_RULES: Final = SessionRules()


class SessionService:
    """Signs people in and out. Every method raises `StoreUnavailableError` if the store fails."""

    def __init__(
        self,
        sessions: Sessions,
        urls: SignInUrls,
        rules: SessionRules,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """Keep `sessions` and `urls` by `rules`; `random_bytes` returns as many as it is asked."""
        self._sessions = sessions
        self._urls = urls
        self._rules = rules
        self._clock = clock
        self._random_bytes = random_bytes

    @property
    def lifetime(self) -> timedelta:
        """How long a session lasts."""
        return self._rules.lifetime

    async def sign_in(self, person: Person, *, user_agent: str) -> SignedIn:
        """Create a session for a person whose identity was proven."""
        secret = self._new_secret()
        session = await self._sessions.add_session(self._new(secret, user_agent), person)
        return self._signed_in(session, secret)

    async def find(self, secret: str) -> Session | None:
        """Return the valid session with this secret."""
        limits = SessionLimits(self._rules.idle, SEEN_EVERY)
        session = await self._sessions.find_session(digest_secret(secret), limits)
        return None if session is None else self._promote(session)

    async def list(self, *, user: str | None = None) -> Sequence[Session]:
        """Return at most `MOST_LISTED` valid sessions, of `user` or of everybody, newest first."""
        found = await self._sessions.list_sessions(user=user, limit=MOST_LISTED)
        return [self._promote(session) for session in found]

    async def revoke(self, session_id: SessionId) -> Session:
        """End a session, at once and for good; return it.

        Raises:
            UnknownSessionError: It does not exist.
        """
        revoked = await self._sessions.revoke_session(session_id)
        if revoked is None:
            msg = "there is no session with this id; `ringback sessions list` lists them"
            raise UnknownSessionError(msg)
        return self._promote(revoked)

    async def revoke_all(self, user: str) -> int:
        """End all sessions of `user`; return how many there were."""
        return await self._sessions.revoke_sessions(user)

    async def create_url(self, person: Person, *, lifetime: timedelta) -> SignInUrl:
        """Create a one-time sign-in URL for a person."""
        secret = self._new_secret()
        digest = digest_secret(secret)
        expires_at = await self._urls.add_sign_in_url(digest, person, lifetime=lifetime)
        return SignInUrl(person, secret, expires_at)

    async def show_url(self, secret: str) -> Person:
        """Return who would sign in with a sign-in URL; this does not use it up.

        Raises:
            UnknownSignInUrlError: It is unknown, used or expired.
        """
        person = await self._urls.find_sign_in_url(digest_secret(secret))
        if person is None:
            raise UnknownSignInUrlError(_UNKNOWN)
        return person

    async def use_url(self, secret: str, *, user_agent: str) -> SignedIn:
        """Use a sign-in URL up, and create a session for its person.

        Raises:
            UnknownSignInUrlError: It is unknown, used or expired.
        """
        session_secret = self._new_secret()
        new = self._new(session_secret, user_agent)
        session = await self._urls.use_sign_in_url(digest_secret(secret), new)
        if session is None:
            raise UnknownSignInUrlError(_UNKNOWN)
        return self._signed_in(session, session_secret)

    def _new(self, secret: str, user_agent: str) -> NewSession:
        session_id = new_session_id(self._clock.now(), self._random_bytes(RANDOM_BYTES))
        visible = "".join(char for char in user_agent if char.isprintable())
        return NewSession(
            SessionId(session_id),
            digest_secret(secret),
            visible[:LONGEST_USER_AGENT],
            self._rules.lifetime,
        )

    def _new_secret(self) -> str:
        return new_secret(self._random_bytes(SECRET_BYTES))

    def _signed_in(self, session: Session, secret: str) -> SignedIn:
        source = session.person.proof_source.value
        logger.info("a person signed in", extra={"session": session.id, "by": source})
        return SignedIn(self._promote(session), secret)

    def promote(self, person: Person) -> Person:
        """Return `person`, as an admin if the settings say so now."""
        return self._rules.admins.promote(person)

    def _promote(self, session: Session) -> Session:
        return replace(session, person=self.promote(session.person))
