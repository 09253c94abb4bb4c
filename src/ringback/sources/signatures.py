"""Verify a provider's request: any bytes in, a verdict out, never an exception."""

import math
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from ringback.domain.errors import ConfigurationError
from ringback.sources.matching import Fetch, compile_match, shape_of
from ringback.sources.pieces import PLAIN_TOKEN, Filled, find, read_json
from ringback.sources.reading import (
    MOST_SIGNATURES,
    Found,
    compile_reader,
    compile_timestamp,
    wanted_headers,
)
from ringback.sources.scheme import Check, Handshake, Scheme, Timestamp
from ringback.sources.verdict import IncomingRequest, Reason, Refusal, RefusedError, Verified

LONGEST_DELIVERY_KEY: Final = 200

_LONGEST_TIMESTAMP: Final = 40


class Verifier:
    """A scheme with the secrets of one source, compiled once. It keeps no state of requests."""

    def __init__(
        self, scheme: Scheme, secrets: Sequence[str], *, fetch: Fetch | None = None
    ) -> None:
        """Compile `scheme` with `secrets`, the newest first.

        Args:
            scheme: A row of the table, or a scheme described by hand.
            secrets: As the provider shows them.
            fetch: Fetches a certificate, of `Check.SNS` and `Check.PAYPAL` only: `verify` then
                belongs into a thread. It returns the body of a GET of at most some KiB, does not
                follow redirects, and raises `OSError`.

        Raises:
            ConfigurationError: A secret cannot be used, or there is none; the message does not
                repeat it. Or the scheme needs an extra, which the message names.
        """
        if not secrets or not all(secrets):
            msg = f"{scheme.name}: a secret is missing or empty; set {scheme.paste}"
            raise ConfigurationError(msg)
        self.scheme = scheme
        self._wanted = wanted_headers(scheme)
        self._read = compile_reader(scheme)
        self._timestamp = compile_timestamp(scheme.timestamp) if scheme.timestamp else None
        self._match = compile_match(scheme, secrets, fetch)

    def verify(self, request: IncomingRequest, now: datetime) -> Verified | Refusal:
        """Verify `request`, which came at `now`."""
        try:
            return self._verify(request, now)
        except RefusedError as refused:
            return refused.refusal

    def _verify(self, request: IncomingRequest, now: datetime) -> Verified:
        if self.scheme.handshake is Handshake.X and PLAIN_TOKEN.fullmatch(request.body):
            # X's handshake signs plain tokens of strangers with the same secret, also `null`.
            msg = "the body is a plain token, which can be signed by anyone, and no event"
            raise RefusedError(Reason.BODY_UNREADABLE, msg)
        filled = Filled(request, self._headers(request), now)
        found = self._read(filled)
        if self._timestamp:
            filled.timestamp = self._timestamp(filled, found)
        index = self._match(filled, found)
        if index is None:
            raise _mismatch(self.scheme, found)
        if self.scheme.timestamp and filled.timestamp:
            _check_time(self.scheme.timestamp, filled.timestamp, now)
        return Verified(index, self.scheme.is_signed)

    def _headers(self, request: IncomingRequest) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for key, value in self._named(request):
            if key in self._wanted:
                if key in found:
                    msg = f"the header {key.decode()} came twice"
                    raise RefusedError(Reason.HEADER_TWICE, msg)
                found[key] = value
        return found

    def _named(self, request: IncomingRequest) -> list[tuple[bytes, bytes]]:
        """Return the headers in lowercase, renamed if the scheme's own names do not occur."""
        headers = [(name.lower(), value) for name, value in request.headers]
        if self.scheme.renamed is None or any(name in self._wanted for name, _ in headers):
            return headers
        own, other = (one.encode() for one in self.scheme.renamed)
        return [
            (own + name.removeprefix(other) if name.startswith(other) else name, value)
            for name, value in headers
        ]


def verify(  # noqa: PLR0917 - each is a part of the question
    scheme: Scheme, secrets: Sequence[str], request: IncomingRequest, now: datetime
) -> Verified | Refusal:
    """Verify one request; a `Verifier` is faster for many."""
    try:
        verifier = Verifier(scheme, secrets)
    except ConfigurationError as error:
        return Refusal(Reason.SECRET_UNUSABLE, str(error))
    return verifier.verify(request, now)


def delivery_key(scheme: Scheme, request: IncomingRequest) -> str | None:
    """Return what names this delivery, for deduplication; None if the request has no name.

    A name in a header is often not signed: deduplicate by a hash of the body as well.
    """
    for place, _, name in (one.partition(":") for one in scheme.delivery):
        found = _header(request, name) if place == "header" else _field(request, name)
        if found:
            # A database may refuse NUL and lone surrogates, and a log must not show the rest.
            if len(found) <= LONGEST_DELIVERY_KEY and found.isprintable():
                return found
            return sha256(found.encode("utf-8", "surrogatepass")).hexdigest()
    return None


def _header(request: IncomingRequest, name: str) -> str | None:
    key = name.lower().encode()
    return next((v.decode("latin-1") for n, v in request.headers if n.lower() == key), None)


def _field(request: IncomingRequest, path: str) -> str | None:
    try:
        found = find(read_json(request.body), path)
    except RefusedError:
        return None
    return str(found) if isinstance(found, str | int) else None


def _mismatch(scheme: Scheme, found: Found) -> RefusedError:
    if scheme.check is Check.SNS:
        msg = (
            "the topic is another one than the configured ARN, or what is signed was changed on "
            "the way"
        )
        return RefusedError(Reason.SIGNATURE_MISMATCH, msg)
    where = scheme.header or "the body"
    if not scheme.is_signed:
        return RefusedError(Reason.TOKEN_MISMATCH, f"the secret in {where} is another one")
    if found.cut:
        msg = f"{where} holds more than {MOST_SIGNATURES} signatures; none of the first fits"
        return RefusedError(Reason.TOO_MANY_SIGNATURES, msg)
    if scheme.check is Check.HMAC:
        shape, pattern = shape_of(scheme)
        if not any(pattern.fullmatch(one) for one in found.signatures):
            msg = f"the signature in {where} is not {shape}"
            return RefusedError(Reason.HEADER_UNREADABLE, msg)
    msg = (
        f"no signature in {where} fits: the secret is another one, or what is signed was changed "
        "on the way; these two look the same"
    )
    return RefusedError(Reason.SIGNATURE_MISMATCH, msg)


def _check_time(timestamp: Timestamp, text: bytes, now: datetime) -> None:
    if timestamp.tolerance is None:
        return
    age = now.timestamp() - _parse_time(timestamp, text)
    if age > timestamp.tolerance:
        msg = f"the timestamp is {math.ceil(age)} s old; the limit is {timestamp.tolerance} s"
        raise RefusedError(Reason.TIMESTAMP_TOO_OLD, msg)
    if -age > timestamp.tolerance:
        msg = (
            f"the timestamp is {math.ceil(-age)} s ahead of this machine's clock; "
            f"the limit is {timestamp.tolerance} s"
        )
        raise RefusedError(Reason.TIMESTAMP_AHEAD, msg)


def _parse_time(timestamp: Timestamp, text: bytes) -> float:
    if len(text) <= _LONGEST_TIMESTAMP:
        if timestamp.unit != "iso" and text.isdigit():
            return int(text) / (1000 if timestamp.unit == "ms" else 1)
        if timestamp.unit == "iso":
            try:
                return _aware(datetime.fromisoformat(text.decode("ascii"))).timestamp()
            except (ValueError, OverflowError):
                pass
    written = {"s": "in seconds", "ms": "in milliseconds", "iso": "in ISO 8601"}[timestamp.unit]
    msg = f"the timestamp {timestamp.at.partition(':')[2]} is not {written}"
    raise RefusedError(Reason.TIMESTAMP_UNREADABLE, msg)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError
    return moment
