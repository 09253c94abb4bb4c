"""Providers that sign a JSON Web Token (HS256) whose claims hold hashes of body and URL."""

import hmac
import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final

from ringback.sources.pieces import Filled, find, to_bytes
from ringback.sources.reading import Found, Match
from ringback.sources.scheme import Token
from ringback.sources.verdict import Reason, RefusedError

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
