"""Sign and send events of a test as their providers do, by the schemes that verify them."""

import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

import httpx2

from ringback.schemas.events import EventOut
from ringback.sources.config import Source, load_sources
from ringback.sources.matching import decode_key
from ringback.sources.pieces import Filled, compile_pieces, header_names, sorted_form, to_bytes
from ringback.sources.scheme import (
    Bare,
    BodyField,
    Check,
    Encoding,
    Numbered,
    Pairs,
    Scheme,
    Tagged,
    Timestamp,
    Token,
)
from ringback.sources.verdict import IncomingRequest
from ringback.testing.kit_gateway import KitGateway
from ringback.testing.manual_clock import settled

_SECRET: Final = sha256(b"a secret of tests").hexdigest()
"""The secret of sources without one: it is valid as text, in hex and in base 64."""

_JWT_HEAD: Final = {"typ": "JWT", "alg": "HS256"}


class _Secrets(Mapping[str, str]):
    """The given secrets, and one for every other name."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def __getitem__(self, name: str) -> str:
        return self._given.get(name, _SECRET)

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


def read_sources(
    sources: Path | str | None, secrets: Mapping[str, str] | None
) -> dict[str, Source]:
    """Return the sources of a test.

    Args:
        sources: The path of a `ringback.toml`, or its text, which has several lines.
        secrets: The variables to which `env:NAME` leads; a name without one gets a secret.

    Raises:
        ConfigurationError: The sources are wrong; the message says where.
        FileNotFoundError: There is no such file.
    """
    if sources is None:
        return {}
    environ = _Secrets(secrets or {})
    if isinstance(sources, str) and "\n" in sources:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "ringback.toml"
            path.write_text(sources, "utf-8")
            return load_sources(path, environ)
    path = Path(sources)
    if not path.exists():
        raise FileNotFoundError(path)
    return load_sources(path, environ)


def sign_event(
    source: Source, body: bytes, *, url: str, now: datetime, headers: Mapping[str, str]
) -> dict[str, str]:
    """Return the headers with which the provider of `source` would send `body`.

    Raises:
        AssertionError: The kit cannot sign for this provider.
    """
    scheme = source.scheme
    made = {"content-type": "application/json", **_ids(scheme)}
    timestamp = scheme.timestamp
    if timestamp is not None and timestamp.at.startswith("header:"):
        made[timestamp.at.removeprefix("header:").lower()] = _written(timestamp, now)
    made |= {name.lower(): value for name, value in headers.items()}
    if scheme.header.lower() in made:
        return made
    raw = [(name.encode(), value.encode()) for name, value in made.items()]
    filled = Filled(IncomingRequest("POST", url, raw, body), dict(raw), now)
    if timestamp is not None:
        filled.timestamp = _timestamp(timestamp, filled, made)
    made.update(_signature(scheme, source.secrets[0], filled))
    return made


def _ids(scheme: Scheme) -> dict[str, str]:
    """Return new ids for the headers that name a delivery."""
    named = [one.removeprefix("header:") for one in scheme.delivery if one.startswith("header:")]
    signed = [name for name in header_names(scheme.signed) if not _is_time(scheme, name)]
    return {name.lower(): f"test-{uuid4()}" for name in (*named, *signed)}


def _is_time(scheme: Scheme, name: str) -> bool:
    return scheme.timestamp is not None and scheme.timestamp.at == f"header:{name}"


def _written(timestamp: Timestamp, now: datetime) -> str:
    match timestamp.unit:
        case "s":
            return str(int(now.timestamp()))
        case "ms":
            return str(int(now.timestamp() * 1000))
        case "iso":
            return now.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _timestamp(timestamp: Timestamp, filled: Filled, made: Mapping[str, str]) -> bytes:
    place, _, name = timestamp.at.partition(":")
    match place:
        case "header":
            return made[name.lower()].encode()
        case "member":
            return _written(timestamp, filled.now).encode()
        case _:
            return filled.field(name) or b""


def _signature(scheme: Scheme, secret: str, filled: Filled) -> dict[str, str]:
    key = decode_key(scheme, secret) if scheme.key != "public-key" else b""
    match scheme.check:
        case Check.HMAC if not isinstance(scheme.written, BodyField):
            message = b"".join(piece(filled) for piece in compile_pieces(scheme.signed))
            text = _ENCODERS[scheme.encoding](hmac.digest(key, message, scheme.digest))
        case Check.TOKEN if not isinstance(scheme.written, BodyField):
            text = key.decode()
        case Check.BASIC:
            text = b64encode(key).decode()
        case Check.JWT:
            assert isinstance(scheme.written, Token), "a row with this check says where claims are"
            text = _web_token(scheme.written, key, filled)
        case Check.TWILIO:
            message = to_bytes(filled.request.public_url) + sorted_form(filled.request.body)
            text = b64encode(hmac.digest(key, message, "sha1")).decode()
        case _:
            msg = (
                f"the kit cannot sign for {scheme.title}: pass the headers of a real request by"
                " `headers`, or answer by `alias`"
            )
            raise AssertionError(msg)
    return _placed(scheme, text, filled.timestamp.decode())


_ENCODERS: Final[dict[Encoding, Callable[[bytes], str]]] = {
    "hex": bytes.hex,
    "hex-any-case": bytes.hex,
    "base64": lambda digest: b64encode(digest).decode(),
    "base64url": lambda digest: urlsafe_b64encode(digest).decode(),
}


def _placed(scheme: Scheme, text: str, timestamp: str) -> dict[str, str]:
    """Return the header with a signature, written as the provider writes it."""
    match scheme.written:
        case Pairs(member=member, delimiter=delimiter):
            pairs = [f"{member}={text}"]
            if scheme.timestamp is not None and scheme.timestamp.at.startswith("member:"):
                pairs.insert(0, f"{scheme.timestamp.at.removeprefix('member:')}={timestamp}")
            value = delimiter.join(pairs)
        case Tagged(tag):
            value = f"{tag},{text}"
        case Bare(delimiter=delimiter, timestamp_first=True):
            value = f"{timestamp}{delimiter}{text}"
        case Numbered():
            return {f"{scheme.header}1".lower(): text}
        case Bare() | BodyField():
            value = text
        case written:
            value = f"{written.prefix}{text}"
    return {scheme.header.lower(): value}


def _web_token(written: Token, key: bytes, filled: Filled) -> str:
    claims = {
        "iss": written.issuer or "test",
        written.body_claim: _hash(written, filled.request.body),
    }
    if written.url_claim:
        claims[written.url_claim] = _hash(written, to_bytes(filled.request.public_url))
    parts = [_unpadded(json.dumps(part).encode()) for part in (_JWT_HEAD, claims)]
    signature = hmac.digest(key, ".".join(parts).encode(), "sha256")
    return ".".join([*parts, _unpadded(signature)])


def _hash(written: Token, data: bytes) -> str:
    digest = sha256(data)
    return digest.hexdigest() if written.digest == "hex" else b64encode(digest.digest()).decode()


def _unpadded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


class EventSender:
    """Sends events to the sources of a gateway, as providers do.

    Attributes:
        gateway: The gateway.
    """

    gateway: KitGateway

    @property
    def url(self) -> str:
        """The URL of the gateway, on 127.0.0.1."""
        return self.gateway.url

    async def send_event(
        self, source: str, event: object, *, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Send an event as a provider does, signed by the scheme of the source.

        The gateway has stored and led it when the reply arrives: an event that fits a rule answers
        the callback with the rule's alias, or waits for it.

        Args:
            source: The name of the source in `ringback.toml`.
            event: The event as plain JSON, or the body as bytes.
            headers: More headers, such as `X-GitHub-Event`; they win over those of the signature.

        Raises:
            AssertionError: There is no such source, the kit cannot sign for it, or the gateway
                refused the request; the message says why.
        """
        found = self.gateway.sources.get(source)
        if found is None:
            known = ", ".join(self.gateway.sources) or "none"
            msg = f"there is no source {source!r}; the sources are: {known}"
            raise AssertionError(msg)
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        url = f"{self.url}/in/{source}"
        now = self.gateway.parts.edges.clock.now()
        signed = sign_event(found, body, url=url, now=now, headers=headers or {})
        transport = httpx2.ASGITransport(app=self.gateway.moments)
        async with httpx2.AsyncClient(transport=transport) as http:
            reply = await http.post(url, content=body, headers=signed)
        if not reply.is_success:
            msg = f"the source {source} refused the event: {reply.status_code} {reply.text}"
            raise AssertionError(msg)
        await settled()
        return reply

    async def events(self) -> Sequence[EventOut]:
        """Return the events that were sent: each has a `state` and a `reason`.

        Use it where an event did not answer: no rule applies to it, it waits for its alias, or the
        callback refused what the rule made of it.
        """
        return (await self.gateway.operator.events({})).events
