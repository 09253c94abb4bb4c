"""API keys: who may use the operator API, and for what.

A key is `rbk_<id>_<secret>`. The id finds the record; of the secret only a digest is kept. SHA-256
without salt or stretching is enough for it: those slow down who guesses what people think up, and
the secret is 32 random bytes, which nobody guesses.
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
    """What a key is for."""

    WORKER = "worker"
    """A worker in any language, which opens callbacks for its activities."""

    OPERATOR = "operator"
    """Who runs this: sees everything, answers, and moves what is stuck."""

    VIEWER = "viewer"
    """Who only looks."""


class Act(Enum):
    """What somebody may do over the operator API."""

    OPEN = "open"
    SUBMIT = "submit"
    IDENTIFY = "identify"
    LOOK = "look"
    ANSWER = "answer"
    HEARTBEAT = "heartbeat"
    EXTEND = "extend"
    REVOKE = "revoke"
    REDELIVER = "redeliver"
    LINK = "link"


ALLOWED: Final[dict[Role, frozenset[Act]]] = {
    # Opening gives the link of the activity that was named with its token; ids are no secret.
    Role.WORKER: frozenset({Act.IDENTIFY, Act.OPEN, Act.SUBMIT}),
    Role.OPERATOR: frozenset(Act) - {Act.OPEN, Act.SUBMIT},
    Role.VIEWER: frozenset({Act.IDENTIFY, Act.LOOK}),
}
"""Which role may do what."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, as it is kept.

    Attributes:
        id: Names it.
        name: What it is for, in the words of who made it.
        role: What its holder may do.
        digest: The digest of its secret.
        made_at: When it was made.
        revoked_at: When it was revoked; `None` while it is good.
    """

    id: KeyId
    name: str
    role: Role
    digest: bytes = field(repr=False)
    made_at: datetime
    revoked_at: datetime | None = None

    def is_proven_by(self, secret: str) -> bool:
        """Tell whether `secret` is this key's, in constant time, and the key is not revoked."""
        is_its_secret = hmac.compare_digest(self.digest, digest_of(secret))
        return is_its_secret and self.revoked_at is None


def new_key_id(chance: bytes) -> KeyId:
    """Make a key id from `ID_BYTES` of chance."""
    return KeyId(b32hexencode(chance).decode("ascii").lower())


def new_secret(chance: bytes) -> str:
    """Make a secret from `SECRET_BYTES` of chance."""
    return urlsafe_b64encode(chance).decode("ascii").rstrip("=")


def digest_of(secret: str) -> bytes:
    """Return what is kept of a secret."""
    return sha256(secret.encode("utf-8", "replace")).digest()


def to_text(key_id: KeyId, secret: str) -> str:
    """Return the whole key: what its holder sends."""
    return f"{_PREFIX}_{key_id}_{secret}"


def from_text(text: str) -> tuple[KeyId, str] | None:
    """Return the id and the secret of a whole key; `None` if it is none. Total."""
    prefix, _, rest = text[:_LONGEST_TEXT].partition("_")
    key_id, _, secret = rest.partition("_")
    is_key = prefix == _PREFIX and key_id.isascii() and key_id.isalnum() and bool(secret)
    return (KeyId(key_id), secret) if is_key else None
