"""API keys: who may use the operator API, and for what.

A key is `rbk_<id>_<secret>`. The id finds the record, which has only a digest of the secret.
SHA-256 without salt or stretching is enough: those protect guessable passwords, and the secret is
32 random bytes.
"""

import hmac
from base64 import b32hexencode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import Final, NewType

KeyId = NewType("KeyId", str)

ID_BYTES: Final = 10
SECRET_BYTES: Final = 32
_PREFIX: Final = "rbk"
_LONGEST_TEXT: Final = 128


class Role(Enum):
    """The purpose of a key."""

    WORKER = "worker"
    """A worker in any language, which opens callbacks for its activities."""

    OPERATOR = "operator"
    """The operator: sees all callbacks, answers, and repairs what is stuck."""

    VIEWER = "viewer"
    """Only sees callbacks."""


class Act(Enum):
    """An operation of the operator API."""

    OPEN = "open"
    SUBMIT = "submit"
    IDENTIFY = "identify"
    VIEW = "view"
    ANSWER = "answer"
    HEARTBEAT = "heartbeat"
    EXTEND = "extend"
    REVOKE = "revoke"
    REDELIVER = "redeliver"
    GIVE_UP = "give up"
    """Close a parked answer that Temporal cannot use any more."""

    LINK = "link"
    VOTE = "vote"
    ASSIGN = "assign"
    CHANGE_DETAILS = "change details"
    CHANGE_ALIASES = "change aliases"
    EVENTS = "events"
    """See what a source sent, byte for byte, replay it, and test rules with it."""

    NOTIFY = "notify"
    SIGN_IN = "sign in"
    """Create a sign-in URL: whoever has it becomes the person that it names."""

    SESSIONS = "sessions"
    PURGE = "purge"
    """Export what has ended, with payloads, and delete it."""


ALLOWED: Final[dict[Role, frozenset[Act]]] = {
    # Opening returns the activity's link and so requires its task token; ids are not secret.
    Role.WORKER: frozenset({
        *(Act.IDENTIFY, Act.OPEN, Act.SUBMIT, Act.CHANGE_DETAILS, Act.CHANGE_ALIASES)
    }),
    Role.OPERATOR: frozenset(Act) - {Act.OPEN, Act.SUBMIT},
    Role.VIEWER: frozenset({Act.IDENTIFY, Act.VIEW}),
}
"""The operations that each role allows."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key.

    Attributes:
        id: The key's id.
        name: What the key is for, in its creator's words.
        role: What the key allows.
        digest: The digest of the secret.
        created_at: When it was created.
        revoked_at: When it was revoked; `None` while it is valid.
    """

    id: KeyId
    name: str
    role: Role
    digest: bytes = field(repr=False)
    created_at: datetime
    revoked_at: datetime | None = None

    def is_valid(self, secret: str) -> bool:
        """Return whether `secret` is this key's (in constant time) and the key is not revoked."""
        return self.is_secret(secret) and self.revoked_at is None

    def is_secret(self, secret: str) -> bool:
        """Return whether `secret` is this key's (in constant time); the key may be revoked."""
        return hmac.compare_digest(self.digest, digest_secret(secret))


def new_key_id(chance: bytes) -> KeyId:
    """Create a key id from `ID_BYTES` random bytes."""
    return KeyId(b32hexencode(chance).decode("ascii").lower())


def new_secret(chance: bytes) -> str:
    """Create a secret from `SECRET_BYTES` random bytes."""
    return urlsafe_b64encode(chance).decode("ascii").rstrip("=")


def digest_secret(secret: str) -> bytes:
    """Return the digest that is stored for a secret."""
    return sha256(secret.encode("utf-8", "replace")).digest()


def to_text(key_id: KeyId, secret: str) -> str:
    """Return the key as its holder sends it."""
    return f"{_PREFIX}_{key_id}_{secret}"


def from_text(text: str) -> tuple[KeyId, str] | None:
    """Split a key into id and secret; return `None` if it is malformed. Never raises."""
    prefix, _, rest = text[:_LONGEST_TEXT].partition("_")
    key_id, _, secret = rest.partition("_")
    is_key = prefix == _PREFIX and key_id.isascii() and key_id.isalnum() and bool(secret)
    return (KeyId(key_id), secret) if is_key else None
