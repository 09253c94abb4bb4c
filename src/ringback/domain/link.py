"""Links: signed capabilities for one callback.

A link contains the callback, the verbs, the expiry and the id of the key that signed it. It does
not contain the task token: anybody could edit a token to complete another activity of the
namespace, but nobody can edit a link.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import Final

from ringback.domain.durations import later
from ringback.domain.errors import ConfigurationError, UnknownCallbackError
from ringback.domain.ids import CallbackId


class Verb(Enum):
    """What a link can allow; the value is its bit in the link."""

    COMPLETE = 1
    FAIL = 2
    HEARTBEAT = 4
    CANCEL = 8
    VIEW = 16


ALL_VERBS: Final = frozenset(Verb)


_ALL_BITS: Final = sum(verb.value for verb in Verb)

#: All sets of verbs, by their bits: every answer looks one up.
_SETS: Final = [
    frozenset(verb for verb in Verb if verb.value & bits) for bits in range(_ALL_BITS + 1)
]


@dataclass(frozen=True, slots=True)
class Link:
    """The content of a link.

    Attributes:
        callback_id: The callback.
        verbs: What the link allows.
        expires_at: When it expires, to the second.
        key_id: The key that signs it.
        serial: The link is valid while this equals `Callback.link_serial`.
    """

    callback_id: CallbackId
    verbs: frozenset[Verb]
    expires_at: datetime
    key_id: str
    serial: int = 1


LINK_GRACE: Final = timedelta(days=30)
"""How long after the activity's end its link still shows the result."""

LINK_LIFETIME: Final = timedelta(days=365)
"""How long a link is valid if the activity has no schedule-to-close timeout."""

KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 16
_SIGNATURE_CHARACTERS: Final = 22
_LONGEST_TEXT: Final = 256
_LONGEST_KEY_ID: Final = 32
_FIRST_SERIAL: Final = 1
"""The version of links without a serial; theirs is the first."""
_WITH_SERIAL: Final = 2
_SERIAL_BYTES: Final = 4
_NOBODY: Final = hmac.new(bytes(KEY_BYTES), digestmod=sha256)


class Keyring:
    """The keys that links are signed and verified with.

    All keys verify links, one signs them. To rotate: add a key, make it the signing key, and
    remove the old key when its links have expired.
    """

    def __init__(self, keys: Mapping[str, bytes], *, signing: str) -> None:
        """Create a keyring of `keys` by id; the key `signing` signs.

        Raises:
            ConfigurationError: The signing key is missing, a key is too short, or an id is invalid.
        """
        for key_id, key in keys.items():
            _check_key(key_id, key)
        if signing not in keys:
            msg = f"there is no key {signing!r} to sign with; the keys are {sorted(keys)}"
            raise ConfigurationError(msg)
        # Copying a started HMAC costs half as much as starting one.
        self._signers = {id_: hmac.new(key, digestmod=sha256) for id_, key in keys.items()}
        self.signing = signing

    def missing(self, key_ids: Iterable[str]) -> list[str]:
        """Return those of `key_ids` that are not here, sorted."""
        return sorted(set(key_ids) - self._signers.keys())

    def sign(self, link: Link) -> str:
        """Sign `link` with the key that it names, or the signing key if that key was removed."""
        key_id = link.key_id if link.key_id in self._signers else self.signing
        body = f"{key_id}.{_to_text(_pack(link))}"
        return f"{body}.{_to_text(self._signature(key_id, body))}"

    def url(self, base: str, link: Link) -> str:
        """Return the signed URL of `link` at the gateway with the URL `base`."""
        return f"{base}/c/{self.sign(link)}"

    def verify(self, text: str, *, verb: Verb, now: datetime) -> Link:
        """Return the link in `text` if it is valid for `verb` at `now`.

        Any `text` is safe: this returns a link or raises `UnknownCallbackError`. The signature is
        compared in constant time before anything else in the text is used.

        Raises:
            UnknownCallbackError: The link is edited, unknown, expired, or does not allow `verb`.
        """
        body, _, given = text[:_LONGEST_TEXT].rpartition(".")
        key_id, _, rest = body.partition(".")
        packed, *narrowings = rest.split(".")
        signature = self._signature(key_id, f"{key_id}.{packed}")
        for narrowing in narrowings:
            signature = _narrowed_signature(signature, narrowing)
        is_signed = hmac.compare_digest(_to_base64(signature), given.encode("utf-8", "replace"))
        if not is_signed or key_id not in self._signers:
            raise UnknownCallbackError
        link = _unpack(key_id, packed)
        verbs = link.verbs.intersection(*map(_unpack_verbs, narrowings))
        if verb not in verbs or link.expires_at <= now:
            raise UnknownCallbackError
        return replace(link, verbs=verbs) if narrowings else link

    def seal(self, purpose: str, text: str) -> str:
        """Return a seal of `text`, which only a gateway with these keys can make.

        `purpose` is a word; a seal for one purpose is not valid for another, nor in a link.
        """
        return _to_text(_seal(self._signers[self.signing], purpose, text))

    def is_sealed(self, purpose: str, text: str, seal: str) -> bool:
        """Return whether `seal` is the seal of `text`, in constant time; any text is safe."""
        given = seal.encode("utf-8", "replace")
        seals = [_to_base64(_seal(one, purpose, text)) for one in self._signers.values()]
        return any(hmac.compare_digest(one, given) for one in seals)

    def unknown_key_id(self, text: str) -> str | None:
        """Return the key id in `text` if it looks like a link of another keyring.

        It is not authenticated: a sender can write any letters and digits there.
        """
        key_id, _, rest = text[:_LONGEST_TEXT].partition(".")
        packed, _, signature = rest.rpartition(".")
        is_link = _is_key_id(key_id) and packed and len(signature) == _SIGNATURE_CHARACTERS
        return key_id if is_link and key_id not in self._signers else None

    def _signature(self, key_id: str, body: str) -> bytes:
        # An unknown key must take as long as a known one.
        signer = self._signers.get(key_id, _NOBODY).copy()
        signer.update(body.encode("utf-8", "replace"))
        return signer.digest()[:_SIGNATURE_BYTES]


def _seal(started: hmac.HMAC, purpose: str, text: str) -> bytes:
    signer = started.copy()
    # What is signed for a link has a dot after its first word, so it never equals this.
    signer.update(f"{purpose}:{text}".encode("utf-8", "replace"))
    return signer.digest()


def narrow(link: str, verbs: Iterable[Verb]) -> str:
    """Return a link, or the URL of one, that allows only `verbs` of what `link` allows.

    This needs no key: everybody who has a link can narrow it. The signature of `link` signs the
    narrowing and is not in the result, so nobody can widen it again.

    Raises:
        ValueError: `link` is not a link.
    """
    head, dot, signature = link.rpartition(".")
    if not dot or len(signature) != _SIGNATURE_CHARACTERS:
        msg = "this is not a link; pass the URL that the gateway returned"
        raise ValueError(msg)
    narrowing = _to_text(bytes([to_bits(verbs)]))
    signed = _narrowed_signature(_from_text(signature), narrowing)
    return f"{head}.{narrowing}.{_to_text(signed)}"


def link_expires_at(scheduled_at: datetime, schedule_to_close: timedelta | None) -> datetime:
    """Return when the link of an activity expires that was scheduled at `scheduled_at`."""
    if schedule_to_close is None:
        return later(scheduled_at, LINK_LIFETIME)
    return later(later(scheduled_at, schedule_to_close), LINK_GRACE)


def _is_key_id(text: str) -> bool:
    return text.isascii() and text.isalnum() and len(text) <= _LONGEST_KEY_ID


def _check_key(key_id: str, key: bytes) -> None:
    if not _is_key_id(key_id):
        msg = f"the key id {key_id!r} must be at most {_LONGEST_KEY_ID} letters and digits"
        raise ConfigurationError(msg)
    if len(key) < KEY_BYTES:
        msg = f"the key {key_id!r} has {len(key)} bytes; use {KEY_BYTES} random bytes"
        raise ConfigurationError(msg)


def _pack(link: Link) -> bytes:
    is_first = link.serial == _FIRST_SERIAL
    version = _FIRST_SERIAL if is_first else _WITH_SERIAL
    serial = b"" if is_first else link.serial.to_bytes(_SERIAL_BYTES, "big")
    expires_at = int(link.expires_at.timestamp()).to_bytes(5, "big")
    head = bytes([version, to_bits(link.verbs)])
    return head + expires_at + serial + link.callback_id.encode()


def _narrowed_signature(signature: bytes, narrowing: str) -> bytes:
    text = narrowing.encode("utf-8", "replace")
    return hmac.digest(signature, text, sha256)[:_SIGNATURE_BYTES]


def _unpack_verbs(text: str) -> frozenset[Verb]:
    try:
        (bits,) = _from_text(text)
    except ValueError as exc:
        raise UnknownCallbackError from exc
    return from_bits(bits)


def _unpack(key_id: str, text: str) -> Link:
    try:
        packed = _from_text(text)
        version, bits = packed[0], packed[1]
        expires_at = datetime.fromtimestamp(int.from_bytes(packed[2:7], "big"), UTC)
        serial, rest = _unpack_serial(version, packed[7:])
        callback_id = CallbackId(rest.decode("ascii"))
    except (binascii.Error, IndexError, ValueError, OverflowError, OSError) as exc:
        raise UnknownCallbackError from exc
    return Link(callback_id, from_bits(bits), expires_at, key_id, serial)


def _unpack_serial(version: int, rest: bytes) -> tuple[int, bytes]:
    if version == _FIRST_SERIAL:
        return _FIRST_SERIAL, rest
    if version == _WITH_SERIAL:
        return int.from_bytes(rest[:_SERIAL_BYTES], "big"), rest[_SERIAL_BYTES:]
    msg = "a link of another version"
    raise ValueError(msg)


def to_bits(verbs: Iterable[Verb]) -> int:
    """Return the bits of `verbs`."""
    return sum(verb.value for verb in verbs)


def from_bits(bits: int) -> frozenset[Verb]:
    """Return the verbs of `bits`; unknown bits are ignored."""
    return _SETS[bits & _ALL_BITS]


def _from_text(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _to_text(packed: bytes) -> str:
    return _to_base64(packed).decode("ascii")


def _to_base64(packed: bytes) -> bytes:
    return urlsafe_b64encode(packed).rstrip(b"=")
