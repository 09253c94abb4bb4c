"""Webhooks: signed requests to untrusted URLs that users chose."""

import asyncio
import hmac
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from typing import Final

import httpcore2
import httpx2

from ringback.domain.errors import ConfigurationError
from ringback.domain.web_url import WebUrl, parse_url
from ringback.notify.addresses import PrivateAddressError
from ringback.ports.clock import Clock
from ringback.ports.webhooks import NotReceived, Received, Reception, Undeliverable, WebhookMessage

TIMEOUT: Final = timedelta(seconds=15)
"""The timeout of one request, from the look-up of the name to the head of the reply."""

_CONNECT_SECONDS: Final = 5.0
_CONNECTIONS: Final = 64
_DIGITS: Final = 9
"""Longer numbers of seconds are ignored."""

_PRIVATE: Final = (
    "the address is not public; to allow private addresses, an operator sets"
    " RINGBACK_ALLOW_PRIVATE_WEBHOOKS=true"
)
_SUCCESSES: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)


class Webhooks:
    """Sends messages over HTTP.

    It follows no redirects, uses no proxy, and reads only the head of a reply.
    """

    def __init__(
        self,
        pool: httpcore2.AsyncConnectionPool,
        *,
        secrets: Sequence[bytes],
        clock: Clock,
        patience: timedelta = TIMEOUT,
    ) -> None:
        """Send over `pool`, signed with each of `secrets`; wait up to `patience` for a reply."""
        self._pool = pool
        self._patience = patience
        self._secrets = secrets
        self._clock = clock

    async def send(self, message: WebhookMessage) -> Reception:
        try:
            url = parse_url("the address", message.url)
        except ValueError as exc:
            return Undeliverable(str(exc))
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                return await self._post(url, message)
        except PrivateAddressError:
            return Undeliverable(_PRIVATE)
        except (TimeoutError, httpcore2.TimeoutException):
            return NotReceived("no reply in time")
        except httpcore2.ConnectError as exc:
            return NotReceived(f"no connection: {exc}")
        except (httpcore2.NetworkError, httpcore2.ProtocolError):
            return NotReceived("the connection broke, or the reply was not HTTP")

    async def _post(self, url: WebUrl, message: WebhookMessage) -> Reception:
        now = self._clock.now()
        target = httpcore2.URL(
            scheme=url.scheme.encode(),
            host=url.host.encode(),
            port=url.port,
            target=url.target.encode(),
        )
        head = {
            "host": url.authority,
            "content-type": "application/json",
            "user-agent": "ringback",
            **sign(message, now, self._secrets),
        }
        if message.traceparent is not None:
            head["traceparent"] = message.traceparent
        if message.idempotency_key is not None:
            head["idempotency-key"] = message.idempotency_key
        async with self._pool.stream(
            "POST",
            target,
            headers=list(head.items()),
            content=message.body,
            extensions={"timeout": {"connect": _CONNECT_SECONDS}},
        ) as response:
            return _judge(response, now)


class Unsigned:
    """Sends nothing: without a secret to sign with, webhooks wait."""

    async def send(self, message: WebhookMessage) -> Reception:  # noqa: ARG002 - nothing is sent
        return NotReceived("a secret to sign with is missing: set RINGBACK_WEBHOOK_SECRETS")


@asynccontextmanager
async def opened_webhooks(
    secrets: Sequence[bytes],
    *,
    clock: Clock,
    network: httpcore2.AsyncNetworkBackend,
    trust: ssl.SSLContext | None = None,
    patience: timedelta = TIMEOUT,
) -> AsyncIterator[Webhooks]:
    """Open a sender of webhooks for the block.

    Args:
        secrets: The secrets, all of which sign.
        clock: The clock of the timestamps.
        network: Decides where connections may go.
        trust: The certificates that TLS trusts; by default, those of this machine.
        patience: The timeout of a message and its reply.
    """
    async with httpcore2.AsyncConnectionPool(
        ssl_context=trust or _default_trust(),
        max_connections=_CONNECTIONS,
        # The rest of a reply is not read, so connections cannot be reused.
        max_keepalive_connections=0,
        network_backend=network,
    ) as pool:
        yield Webhooks(pool, secrets=secrets, clock=clock, patience=patience)


@cache
def _default_trust() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


def _judge(response: httpcore2.Response, now: datetime) -> Reception:
    status = response.status
    if status in _SUCCESSES:
        return Received()
    if status == HTTPStatus.GONE:
        return Undeliverable("the receiver returned 410: it wants no more webhooks")
    also = ", and redirects are not followed" if status in _REDIRECTS else ""
    said = {name.lower(): value for name, value in response.headers}.get(b"retry-after", b"")
    return NotReceived(
        f"the receiver returned {status}{also}", retry_after(said.decode("latin-1"), now)
    )


def retry_after(text: str, now: datetime) -> timedelta | None:
    """Return the wait of a `Retry-After` header; `None` if it is invalid. Never raises."""
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=int(text[:_DIGITS]))
    try:
        at = parsedate_to_datetime(text)
        wait = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return max(timedelta(0), wait)


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


def sign(message: WebhookMessage, at: datetime, secrets: Sequence[bytes]) -> dict[str, str]:
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
