"""The store's side of API keys, sessions and sign-in URLs, as `ringback.ports.store` promises it.

Secrets are never stored. A digest finds what belongs to a secret.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from ringback.domain.api_key import ApiKey, KeyId, Role
from ringback.domain.person import Person, Session, SessionId


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to store.

    Attributes:
        id: Its unique id.
        digest: The digest of its secret.
        user_agent: The browser.
        lifetime: How long it is valid from now.
    """

    id: SessionId
    digest: bytes = field(repr=False)
    user_agent: str
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How a session is found.

    Attributes:
        idle: A session that was not used for so long is not found.
        seen_every: Its use is stored at most this often.
    """

    idle: timedelta
    seen_every: timedelta


class Sessions(Protocol):
    """What sessions need. A valid session is neither expired nor revoked."""

    async def add_session(self, new: NewSession, person: Person) -> Session:
        """Store the session of a person, and remove sessions that ended long ago."""
        ...

    async def find_session(self, digest: bytes, limits: SessionLimits) -> Session | None:
        """Return the valid session with this digest, and store that it was used."""
        ...

    async def list_sessions(self, *, user: str | None, limit: int) -> Sequence[Session]:
        """Return valid sessions, of `user` or of everybody, the newest first."""
        ...

    async def revoke_session(self, session_id: SessionId) -> Session | None:
        """Revoke a session and return it; `None` if it does not exist.

        Revoking it again does not change when it was revoked.
        """
        ...

    async def revoke_sessions(self, user: str) -> int:
        """Revoke all valid sessions of `user`; return how many there were."""
        ...


class SignInUrls(Protocol):
    """What one-time sign-in URLs need."""

    async def add_sign_in_url(
        self, digest: bytes, person: Person, *, lifetime: timedelta
    ) -> datetime:
        """Store a sign-in URL for a person; return when it expires."""
        ...

    async def find_sign_in_url(self, digest: bytes) -> Person | None:
        """Return the person of a sign-in URL that can still be used; this changes nothing."""
        ...

    async def use_sign_in_url(self, digest: bytes, new: NewSession) -> Session | None:
        """Use a sign-in URL up and store the session of its person, in one transaction.

        Of any number of calls for one URL, one returns a session.
        """
        ...


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key.

    Attributes:
        id: The key's unique id.
        name: What the key is for.
        role: What the key allows.
        digest: The digest of the secret; the secret itself is not stored.
    """

    id: KeyId
    name: str
    role: Role
    digest: bytes = field(repr=False)


class ApiKeys(Protocol):
    """What the management of API keys needs."""

    async def add_key(self, new: NewKey) -> ApiKey:
        """Store a new key."""
        ...

    async def find_key(self, key_id: KeyId) -> ApiKey | None:
        """Return a key, revoked or not."""
        ...

    async def all_keys(self) -> Sequence[ApiKey]:
        """Return all keys, revoked ones included, oldest first."""
        ...

    async def revoke_key(self, key_id: KeyId) -> ApiKey | None:
        """Revoke a key and return it; `None` if it does not exist.

        Revoking it again does not change when it was revoked.
        """
        ...
