"""Providers whose rules are code: Twilio signs URLs, Adyen signs each item of a body.

Others sign a JSON Web Token (HS256) whose claims hold hashes of body and URL.
"""

import hmac
import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from ringback.sources.pieces import Filled, find, read_query, sorted_form, to_bytes
from ringback.sources.reading import Found, Match
from ringback.sources.scheme import Token
from ringback.sources.verdict import Reason, RefusedError

_FORM: Final = b"application/x-www-form-urlencoded"
_SIGNED_BY_ADYEN: Final = (
    "pspReference",
    "originalReference",
    "merchantAccountCode",
    "merchantReference",
    "amount.value",
    "amount.currency",
    "eventCode",
    "success",
)


def match_twilio(keys: list[bytes]) -> Match:
    """Return what verifies Twilio: the URL with and without its port, and form or body hash."""

    def match(filled: Filled, found: Found) -> int | None:
        tail = _twilio_tail(filled)
        urls = _with_and_without_port(filled.request.public_url)
        digest = _twilio_digest(filled.headers.get(b"x-twilio-webhooks-signature-settings", b""))
        for index, key in enumerate(keys):
            for url in urls:
                right = b64encode(hmac.digest(key, to_bytes(url) + tail, digest))
                if hmac.compare_digest(found.signatures[0], right):
                    return index
        return None

    return match


def _twilio_digest(settings: bytes) -> str:
    for part in settings.split(b","):
        name, _, value = part.partition(b"=")
        if name.strip() == b"algorithm" and value.strip():
            digest = _TWILIO_DIGESTS.get(value.strip().upper())
            if digest is None:
                msg = "X-Twilio-Webhooks-Signature-Settings names an algorithm that is not known"
                raise RefusedError(Reason.HEADER_UNREADABLE, msg)
            return digest
    return "sha1"


_TWILIO_DIGESTS: Final = {b"HMAC_SHA1": "sha1", b"HMAC_SHA256": "sha256"}


def _twilio_tail(filled: Filled) -> bytes:
    """Return what is signed after the URL; a body that is no form must fit its hash in the URL.

    Raises:
        RefusedError: Nothing signs the body, or the body does not fit.
    """
    body = filled.request.body
    hashes = [v for n, v in read_query(filled.request.public_url) if n == b"bodySHA256"]
    if hashes:
        right = sha256(body).hexdigest().encode()
        if set(hashes) != {right}:
            msg = "the body's SHA-256 is not the bodySHA256 of the URL: the body was changed"
            raise RefusedError(Reason.BODY_MODIFIED, msg)
        return b""
    kind = filled.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if body and kind != _FORM:
        msg = "the body is no form, and the URL has no bodySHA256: nothing signs the body"
        raise RefusedError(Reason.BODY_UNREADABLE, msg)
    return sorted_form(body)


def _with_and_without_port(url: str) -> list[str]:
    """Return `url` as it is and with the port added or removed: Twilio does either."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return [url]
    if port is None:
        host = f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"
    else:
        host = parts.netloc.rpartition(":")[0]
    other = urlunsplit(parts._replace(netloc=host))
    return [url, other]


def match_adyen(keys: list[bytes]) -> Match:
    """Return what verifies every item of a body; one key must fit all of them."""

    def match(filled: Filled, found: Found) -> int | None:
        items = find(filled.json, "notificationItems")
        if not isinstance(items, list):
            raise RefusedError(Reason.BODY_UNREADABLE, "the body has no notificationItems")
        messages = [_adyen_message(one) for one in items]
        for index, key in enumerate(keys):
            right = [b64encode(hmac.digest(key, message, "sha256")) for message in messages]
            if all(map(hmac.compare_digest, found.signatures, right)):
                return index
        return None

    return match


def _adyen_message(item: object) -> bytes:
    notification = find(item, "NotificationRequestItem")
    return b":".join([_adyen_text(find(notification, path)) for path in _SIGNED_BY_ADYEN])


def _adyen_text(value: object) -> bytes:
    match value:
        case None:
            return b""
        case bool():
            return b"true" if value else b"false"
        case int():
            return str(value).encode()
        case str():
            return to_bytes(value)
        case _:
            msg = "a field that Adyen signs is neither text nor a whole number"
            raise RefusedError(Reason.BODY_UNREADABLE, msg)


TOLERANCE: Final = 300
"""Seconds by which the claims `exp` and `nbf` may be missed."""


def match_token(written: Token, keys: list[bytes]) -> Match:
    """Return what verifies the token, then that its claims fit the request."""

    def match(filled: Filled, found: Found) -> int | None:
        begin, _, signature = found.signatures[0].rpartition(b".")
        for index, key in enumerate(keys):
            right = urlsafe_b64encode(hmac.digest(key, begin, "sha256")).rstrip(b"=")
            if hmac.compare_digest(signature, right):
                _check(written, begin, filled)
                return index
        return None

    return match


def _check(written: Token, begin: bytes, filled: Filled) -> None:
    head, _, claims = begin.partition(b".")
    header, payload = _decode(head), _decode(claims)
    issuer = written.issuer or find(payload, "iss")
    if find(header, "alg") != "HS256" or find(payload, "iss") != issuer:
        msg = f"the token is not one of {written.issuer or 'the provider'} with HS256"
        raise RefusedError(Reason.HEADER_UNREADABLE, msg)
    body = filled.request.body
    claimed = find(payload, written.body_claim)
    if claimed != _digest(written, body) and (body or claimed is not None):
        msg = "the body's SHA-256 is not the signed one: the body was changed on the way"
        raise RefusedError(Reason.BODY_MODIFIED, msg)
    if written.url_claim:
        url = _digest(written, to_bytes(filled.request.public_url))
        if find(payload, written.url_claim) != url:
            msg = "the URL is not the signed one: the provider has another than the public URL"
            raise RefusedError(Reason.SIGNATURE_MISMATCH, msg)
    _check_time(payload, filled.now.timestamp())


def _digest(written: Token, data: bytes) -> str:
    digest = sha256(data).digest()
    return digest.hex() if written.digest == "hex" else b64encode(digest).decode()


def _check_time(payload: object, now: float) -> None:
    end, start = find(payload, "exp"), find(payload, "nbf")
    if isinstance(end, int | float) and now > end + TOLERANCE:
        msg = f"the token ended more than {TOLERANCE} s ago"
        raise RefusedError(Reason.TIMESTAMP_TOO_OLD, msg)
    if isinstance(start, int | float) and now < start - TOLERANCE:
        msg = f"the token begins in more than {TOLERANCE} s by this machine's clock"
        raise RefusedError(Reason.TIMESTAMP_AHEAD, msg)


def _decode(part: bytes) -> object:
    try:
        return json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise RefusedError(Reason.HEADER_UNREADABLE, "the token is not JSON in base 64") from None
