"""Signatures of Standard Webhooks: a receiver can verify the sender of a message."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from ringback.domain.errors import ConfigurationError
from ringback.ports.webhooks import Message

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
"""The length of a generated secret."""

_SHORTEST: Final = 24
_LONGEST: Final = 64


def to_secret(text: str) -> bytes:
    """Decode a secret.

    Raises:
        ConfigurationError: It is not a secret; the message does not repeat it.
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
    """Encode a secret as text."""
    return PREFIX + b64encode(secret).decode("ascii")


def sign(message: Message, at: datetime, secrets: Sequence[bytes]) -> dict[str, str]:
    """Return the headers that sign `message`, sent at `at`, with each of `secrets`.

    A receiver needs only one of the secrets, so that a secret can be rotated.
    """
    sent_at = str(int(at.timestamp()))
    signed = f"{message.id}.{sent_at}.".encode() + message.body
    digests = [hmac.digest(secret, signed, sha256) for secret in secrets]
    return {
        "webhook-id": message.id,
        "webhook-timestamp": sent_at,
        "webhook-signature": " ".join(f"v1,{b64encode(one).decode('ascii')}" for one in digests),
    }
