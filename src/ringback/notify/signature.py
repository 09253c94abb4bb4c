"""Signatures as Standard Webhooks has them: who receives a message knows who sent it."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from ringback.domain.errors import ConfigurationError
from ringback.ports.sender import Message

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
"""How long a secret is that is made here."""

_SHORTEST: Final = 24
_LONGEST: Final = 64


def to_secret(text: str) -> bytes:
    """Return the secret that `text` writes.

    Raises:
        ConfigurationError: It is no secret; what it is, is not told.
    """
    try:
        secret = b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        secret = b""
    if not text.startswith(PREFIX) or not _SHORTEST <= len(secret) <= _LONGEST:
        msg = f"a secret is {PREFIX}<{_SHORTEST} to {_LONGEST} bytes in base 64>"
        raise ConfigurationError(msg)
    return secret


def from_secret(secret: bytes) -> str:
    """Return how `secret` is written."""
    return PREFIX + b64encode(secret).decode("ascii")


def sign(message: Message, at: datetime, secrets: Sequence[bytes]) -> dict[str, str]:
    """Return the headers that sign `message`, as sent now, with each of `secrets`.

    A receiver that knows one of them is content, so that a secret can be replaced.
    """
    sent_at = str(int(at.timestamp()))
    signed = f"{message.id}.{sent_at}.".encode() + message.body
    digests = [hmac.digest(secret, signed, sha256) for secret in secrets]
    return {
        "webhook-id": message.id,
        "webhook-timestamp": sent_at,
        "webhook-signature": " ".join(f"v1,{b64encode(one).decode('ascii')}" for one in digests),
    }
