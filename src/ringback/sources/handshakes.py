"""Answer a provider that checks whether an endpoint belongs to its user.

Some of these answers are computed with the secret that also signs events. Whoever could choose
what is computed could sign events. So the request's own signature comes first, where it has one,
and a token that is not plain gets no answer: none that is could be the signed part of an event.
"""

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ringback.sources.pieces import PLAIN_TOKEN, find, read_json, read_query, to_bytes
from ringback.sources.scheme import Handshake
from ringback.sources.signatures import Verifier
from ringback.sources.verdict import IncomingRequest, RefusedError, Verified

_PRINTED: Final = re.compile(rb"[ !#-%(-;=?-~]{1,1024}")
"""Microsoft Graph sends a sentence. It is only echoed, as plain text, so nothing is signed."""

_SNS_CONFIRM: Final = re.compile(
    r"https://sns\.[a-z0-9-]{3,40}\.amazonaws\.com(?:\.cn)?/\?Action=ConfirmSubscription"
    r"&[A-Za-z0-9&=:%._~+-]{1,2000}"
)
_HEADERS: Final = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-robots-tag", "noindex"),
    ("cache-control", "no-store"),
)
_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer instead of storing an event.

    Attributes:
        status: The HTTP status.
        body: The body; with media type `media_type`.
        media_type: The media type of the body.
        headers: More headers.
        confirm_url: A URL of the provider that is still to be fetched with GET, once.
        offered_secret: A secret that the provider, or a stranger, offers for later requests. It is
            not verified: an operator who has just created the webhook may take it.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    media_type: str = _TEXT
    headers: tuple[tuple[str, str], ...] = field(default=_HEADERS, repr=False)
    confirm_url: str | None = field(default=None, repr=False)
    offered_secret: str | None = field(default=None, repr=False)


def answer_handshake(
    verifier: Verifier,
    secrets: Sequence[str],
    request: IncomingRequest,
    *,
    now: datetime,
    verify_token: str = "",
) -> Reply | None:
    """Return what answers `request`, or None if it is no handshake that may be answered.

    What is not answered goes on to `Verifier.verify`, which refuses or accepts it as an event.

    Args:
        verifier: The compiled scheme.
        secrets: Its secrets, the newest first.
        request: The request; handshakes come with GET, HEAD and POST.
        now: When it came.
        verify_token: The token that the user gave to Meta; without it Meta gets no answer.
    """
    handshake = verifier.scheme.handshake
    if handshake is None or _MARKS.get(handshake, b"") not in request.body:
        return None
    secret = secrets[0]
    if handshake in _SIGNED:
        verdict = verifier.verify(request, now)
        if not isinstance(verdict, Verified):
            return None
        secret = secrets[verdict.secret_index]
    try:
        return _ANSWERS[handshake](_Asked(request, secret, verify_token))
    except RefusedError:
        return None


@dataclass(frozen=True, slots=True)
class _Asked:
    request: IncomingRequest
    secret: str = field(repr=False)
    verify_token: str = field(repr=False)

    def query(self, name: str) -> bytes:
        values = [v for n, v in read_query(self.request.public_url) if n == name.encode()]
        return values[0] if len(values) == 1 else b""

    def header(self, name: str) -> bytes:
        values = [v for n, v in self.request.headers if n.lower() == name.encode()]
        return values[0] if len(values) == 1 else b""

    def text(self, path: str) -> bytes:
        if self.request.method != "POST":
            return b""
        found = find(read_json(self.request.body), path)
        return to_bytes(found) if isinstance(found, str) else b""


def _echo(token: bytes, allowed: re.Pattern[bytes] = PLAIN_TOKEN) -> Reply | None:
    return Reply(200, token) if allowed.fullmatch(token) else None


def _json(value: object) -> Reply:
    return Reply(200, json.dumps(value, separators=(",", ":")).encode(), _JSON)


def _slack(asked: _Asked) -> Reply | None:
    if asked.text("type") != b"url_verification":
        return None
    return _echo(asked.text("challenge"))


def _meta(asked: _Asked) -> Reply | None:
    if asked.request.method != "GET" or asked.query("hub.mode") != b"subscribe":
        return None
    token = to_bytes(asked.verify_token)
    if not token or not hmac.compare_digest(asked.query("hub.verify_token"), token):
        return None
    return _echo(asked.query("hub.challenge"))


def _zoom(asked: _Asked) -> Reply | None:
    token = asked.text("payload.plainToken")
    if asked.text("event") != b"endpoint.url_validation" or not PLAIN_TOKEN.fullmatch(token):
        return None
    right = hmac.digest(to_bytes(asked.secret), token, "sha256").hex()
    return _json({"plainToken": token.decode(), "encryptedToken": right})


def _x(asked: _Asked) -> Reply | None:
    token = asked.query("crc_token")
    if asked.request.method != "GET" or not PLAIN_TOKEN.fullmatch(token):
        return None
    right = b64encode(hmac.digest(to_bytes(asked.secret), token, "sha256")).decode()
    return _json({"response_token": f"sha256={right}"})


def _dropbox(asked: _Asked) -> Reply | None:
    return _echo(asked.query("challenge")) if asked.request.method == "GET" else None


def _twitch(asked: _Asked) -> Reply | None:
    if asked.header("twitch-eventsub-message-type") != b"webhook_callback_verification":
        return None
    return _echo(asked.text("challenge"))


def _graph(asked: _Asked) -> Reply | None:
    token = asked.query("validationToken")
    return _echo(token, _PRINTED) if asked.request.method == "POST" else None


def _okta(asked: _Asked) -> Reply | None:
    token = asked.header("x-okta-verification-challenge")
    if asked.request.method != "GET" or not PLAIN_TOKEN.fullmatch(token):
        return None
    return _json({"verification": token.decode()})


def _discord(asked: _Asked) -> Reply | None:
    body = read_json(asked.request.body)
    kind = find(body, "type")
    if isinstance(kind, bool) or not isinstance(body, dict):
        return None
    if kind == 0:
        return Reply(204)
    # An event of type 1 is an event, an interaction of type 1 is a ping.
    return _json({"type": 1}) if kind == 1 and "event" not in body else None


def _sns(asked: _Asked) -> Reply | None:
    if asked.text("Type") != b"SubscriptionConfirmation":
        return None
    url = asked.text("SubscribeURL").decode("utf-8", "replace")
    return Reply(200, confirm_url=url) if _SNS_CONFIRM.fullmatch(url) else None


def _asana(asked: _Asked) -> Reply | None:
    secret = asked.header("x-hook-secret")
    if not PLAIN_TOKEN.fullmatch(secret) or asked.header("x-hook-signature"):
        return None
    echoed = (*_HEADERS, ("x-hook-secret", secret.decode()))
    return Reply(200, headers=echoed, offered_secret=secret.decode())


def _notion(asked: _Asked) -> Reply | None:
    token = asked.text("verification_token")
    if not PLAIN_TOKEN.fullmatch(token) or asked.header("x-notion-signature"):
        return None
    return Reply(200, offered_secret=token.decode())


def _head(asked: _Asked) -> Reply | None:
    return Reply(200) if asked.request.method == "HEAD" else None


_SIGNED: Final = frozenset({
    Handshake.SLACK,
    Handshake.ZOOM,
    Handshake.TWITCH,
    Handshake.DISCORD,
    Handshake.SNS,
})
"""Handshakes that come signed."""

_MARKS: Final = {
    Handshake.SLACK: b"url_verification",
    Handshake.ZOOM: b"endpoint.url_validation",
    Handshake.TWITCH: b"challenge",
    Handshake.SNS: b"SubscriptionConfirmation",
    Handshake.NOTION: b"verification_token",
}
"""What the bodies of handshakes contain: events are told from them without being parsed."""

_ANSWERS: Final[dict[Handshake, Callable[[_Asked], Reply | None]]] = {
    Handshake.SLACK: _slack,
    Handshake.META: _meta,
    Handshake.ZOOM: _zoom,
    Handshake.X: _x,
    Handshake.DROPBOX: _dropbox,
    Handshake.TWITCH: _twitch,
    Handshake.GRAPH: _graph,
    Handshake.OKTA: _okta,
    Handshake.DISCORD: _discord,
    Handshake.SNS: _sns,
    Handshake.ASANA: _asana,
    Handshake.NOTION: _notion,
    Handshake.HEAD: _head,
}
