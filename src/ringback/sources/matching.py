"""Compare what was found with what is right: HMAC, shared secrets, and what an extra adds."""

import hmac
import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from ringback.domain.errors import ConfigurationError
from ringback.sources.own_forms import match_adyen, match_token, match_twilio
from ringback.sources.pieces import Filled, compile_pieces
from ringback.sources.reading import Found, Match
from ringback.sources.scheme import NEEDS_EXTRA, Check, Digest, Encoding, KeyForm, Scheme, Token

Fetch = Callable[[str], bytes]
"""Fetches a certificate: returns the body of a GET, or raises `OSError`."""


def compile_match(scheme: Scheme, secrets: Sequence[str], fetch: Fetch | None) -> Match:
    """Return what compares signatures of `scheme` with those of `secrets`.

    Raises:
        ConfigurationError: A secret cannot be used, or an extra is missing.
    """
    if scheme.check in NEEDS_EXTRA:
        return _compile_public_keys(scheme, secrets, fetch)
    keys = [decode_key(scheme, secret) for secret in secrets]
    if scheme.key == "whsec-or-text":
        texts = [secret.encode() for secret in secrets]
        return _either(_hmac(scheme, texts), _hmac(scheme, keys))
    if scheme.or_signed:
        return _either(_hmac(scheme, keys), _hmac(replace(scheme, signed=scheme.or_signed), keys))
    match scheme.check:
        case Check.TOKEN:
            return _tokens(keys)
        case Check.BASIC:
            return _tokens([b64encode(key) for key in keys])
        case Check.TWILIO:
            return match_twilio(keys)
        case Check.ADYEN:
            return match_adyen(keys)
        case Check.JWT:
            assert isinstance(scheme.written, Token), "a row with this check says where claims are"
            return match_token(scheme.written, keys)
        case _:
            return _hmac(scheme, keys)


def _compile_public_keys(scheme: Scheme, secrets: Sequence[str], fetch: Fetch | None) -> Match:
    try:
        from ringback.sources import certificates, public_keys  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as exc:
        msg = f"{scheme.name} needs {exc.name}; run: pip install 'ringback[signatures]'"
        raise ConfigurationError(msg) from None
    match scheme.check:
        case Check.SNS:
            kept = certificates.Certificates(certificates.SNS, fetch)
            return public_keys.match_sns(secrets, kept)
        case Check.PAYPAL:
            kept = certificates.Certificates(certificates.PAYPAL, fetch)
            return public_keys.match_paypal(secrets, kept)
        case _:
            return public_keys.match_public_keys(scheme, secrets)


def _either(first: Match, second: Match) -> Match:
    def match(filled: Filled, found: Found) -> int | None:
        index = first(filled, found)
        return second(filled, found) if index is None else index

    return match


def _tokens(secrets: list[bytes]) -> Match:
    def match(_: Filled, found: Found) -> int | None:
        for index, secret in enumerate(secrets):
            same = [hmac.compare_digest(one, secret) for one in found.signatures]
            if all(same):
                return index
        return None

    return match


def _hmac(scheme: Scheme, keys: list[bytes]) -> Match:
    pieces = compile_pieces(scheme.signed)
    digest = scheme.digest
    write = _WRITERS[scheme.encoding]
    normal = _NORMAL.get(scheme.encoding)
    compare = hmac.compare_digest

    def match(filled: Filled, found: Found) -> int | None:
        message = b"".join([piece(filled) for piece in pieces])
        signatures = found.signatures
        if normal:
            signatures = [normal(one) for one in signatures]
        for index, key in enumerate(keys):
            right = write(hmac.digest(key, message, digest))
            for one in signatures:
                if compare(one, right):
                    return index
        return None

    return match


_WRITERS: Final[dict[Encoding, Callable[[bytes], bytes]]] = {
    "hex": lambda digest: digest.hex().encode(),
    "hex-any-case": lambda digest: digest.hex().encode(),
    "base64": b64encode,
    "base64url": lambda digest: urlsafe_b64encode(digest).rstrip(b"="),
}
_NORMAL: Final[dict[Encoding, Callable[[bytes], bytes]]] = {
    "hex-any-case": bytes.lower,
    "base64url": lambda value: value.rstrip(b"="),
}


def decode_key(scheme: Scheme, secret: str) -> bytes:
    """Return the key that `secret` stands for.

    Raises:
        ConfigurationError: It is not written as the provider writes secrets.
    """
    try:
        key = _DECODERS[scheme.key](secret)
    except ValueError:
        key = b""
    if not key:
        msg = f"{scheme.name}: a secret is not {_FORMS[scheme.key]}; set {scheme.paste}"
        raise ConfigurationError(msg)
    return key


def _decode_base64(text: str) -> bytes:
    return b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)


def _decode_whsec_or_text(text: str) -> bytes:
    try:
        return _decode_base64(text.removeprefix("whsec_"))
    except ValueError:
        return text.encode()


_DECODERS: Final[dict[KeyForm, Callable[[str], bytes]]] = {
    "text": str.encode,
    "hex": bytes.fromhex,
    "base64": _decode_base64,
    "whsec": lambda text: _decode_base64(text.removeprefix("v1,").removeprefix("whsec_")),
    "whsec-or-text": _decode_whsec_or_text,
}
_FORMS: Final[dict[KeyForm, str]] = {
    "text": "text",
    "hex": "hex",
    "base64": "base 64",
    "whsec": "whsec_ and base 64",
    "whsec-or-text": "text",
}


def shape_of(scheme: Scheme) -> tuple[str, re.Pattern[bytes]]:
    """Return how a signature by HMAC looks, in words and as a pattern."""
    bits, letters, words = _SHAPES[scheme.encoding]
    length = -(-_BYTES[scheme.digest] * 8 // bits)
    padding = -length % 4 if scheme.encoding.startswith("base64") else 0
    end = "=" * padding if scheme.encoding == "base64" else "=*"
    pattern = f"[{letters}]{{{length}}}{end if padding else ''}"
    total = length + (padding if scheme.encoding == "base64" else 0)
    return f"{total} {words}", re.compile(pattern.encode())


_BYTES: Final[dict[Digest, int]] = {"sha1": 20, "sha256": 32, "sha512": 64}
_SHAPES: Final[dict[Encoding, tuple[int, str, str]]] = {
    "hex": (4, "0-9a-f", "lowercase hex digits"),
    "hex-any-case": (4, "0-9a-fA-F", "hex digits"),
    "base64": (6, "A-Za-z0-9+/", "characters of base 64"),
    "base64url": (6, "A-Za-z0-9_-", "characters of base 64 for URLs"),
}
