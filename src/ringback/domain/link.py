"""Links: signed capabilities for one callback.

A link says which callback, which verbs, until when, and which key signed it. It carries no task
token: a token can be edited to complete any activity of its namespace, a link cannot be edited at
all.
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

#: Every set of verbs that there is, at its bits: each answer comes with one.
_SETS: Final = [
    frozenset(verb for verb in Verb if verb.value & bits) for bits in range(_ALL_BITS + 1)
]


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says.

    Attributes:
        callback_id: The one callback that it leads to.
        verbs: What it allows.
        expires_at: When it stops to be good, to the second.
        key_id: The key that signs it.
        serial: Good as long as it is `Callback.link_serial`.
    """

    callback_id: CallbackId
    verbs: frozenset[Verb]
    expires_at: datetime
    key_id: str
    serial: int = 1


LINK_GRACE: Final = timedelta(days=30)
"""For how long after the activity's end its link still tells what became of it."""

LINK_LIFETIME: Final = timedelta(days=365)
"""How long a link is good when the activity has no schedule-to-close timeout."""

KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 16
_SIGNATURE_CHARACTERS: Final = 22
_LONGEST_TEXT: Final = 256
_LONGEST_KEY_ID: Final = 32
_FIRST_SERIAL: Final = 1
"""What a link of this version says of its serial: nothing."""
_WITH_SERIAL: Final = 2
_SERIAL_BYTES: Final = 4
_NOBODY: Final = hmac.new(bytes(KEY_BYTES), digestmod=sha256)


class Keyring:
    """The keys that links are signed and verified with.

    Several keys verify, one signs. To rotate: add a key, make it the signing one, and drop the old
    one when its links have expired.
    """

    def __init__(self, keys: Mapping[str, bytes], *, signing: str) -> None:
        """Take `keys` by id; `signing` names the one that signs.

        Raises:
            ConfigurationError: There is no such key, a key is too short, or an id is not plain.
        """
        for key_id, key in keys.items():
            _check_key(key_id, key)
        if signing not in keys:
            msg = f"there is no key {signing!r} to sign with; known are {sorted(keys)}"
            raise ConfigurationError(msg)
        # Begun once for each key: a copy costs half of what it takes to begin.
        self._signers = {id_: hmac.new(key, digestmod=sha256) for id_, key in keys.items()}
        self.signing = signing

    def sign(self, link: Link) -> str:
        """Return `link` as text, signed with the key it names, or today's if that was dropped."""
        key_id = link.key_id if link.key_id in self._signers else self.signing
        body = f"{key_id}.{_to_text(_pack(link))}"
        return f"{body}.{_to_text(self._signature(key_id, body))}"

    def url(self, base: str, link: Link) -> str:
        """Return `link`, signed, as the URL at which the gateway whose URL is `base` takes it."""
        return f"{base}/c/{self.sign(link)}"

    def verify(self, text: str, *, verb: Verb, now: datetime) -> Link:
        """Return what the link `text` says, if it is good for `verb` at `now`.

        Total: whatever the text, it returns or raises `UnknownCallbackError`, nothing else. The
        signature is computed and compared in constant time before anything in it is looked at.

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

    def unknown_key_id(self, text: str) -> str | None:
        """Return the key id of `text` if it looks like a link of another keyring.

        Nothing proves that it is one: whoever sends a link can write any letters and digits there.
        """
        key_id, _, rest = text[:_LONGEST_TEXT].partition(".")
        packed, _, signature = rest.rpartition(".")
        is_link = _is_key_id(key_id) and packed and len(signature) == _SIGNATURE_CHARACTERS
        return key_id if is_link and key_id not in self._signers else None

    def _signature(self, key_id: str, body: str) -> bytes:
        # An unknown key costs as much time as a known one.
        signer = self._signers.get(key_id, _NOBODY).copy()
        signer.update(body.encode("utf-8", "replace"))
        return signer.digest()[:_SIGNATURE_BYTES]


def narrow(link: str, verbs: Iterable[Verb]) -> str:
    """Return a link, or the URL of one, that allows at most `verbs` of what `link` allows.

    It takes no key: whoever holds a link can make narrower ones. The signature of `link` signs the
    narrowing and is not in the result, so nobody can widen it again.

    Raises:
        ValueError: `link` is not a link.
    """
    head, dot, signature = link.rpartition(".")
    if not dot or len(signature) != _SIGNATURE_CHARACTERS:
        msg = "this is not a link; pass the URL that the gateway made"
        raise ValueError(msg)
    narrowing = _to_text(bytes([to_bits(verbs)]))
    signed = _narrowed_signature(_from_text(signature), narrowing)
    return f"{head}.{narrowing}.{_to_text(signed)}"


def link_expires_at(scheduled_at: datetime, schedule_to_close: timedelta | None) -> datetime:
    """Return when the link of an activity that was scheduled then stops to be good."""
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
        msg = f"the key {key_id!r} has {len(key)} bytes; make one of {KEY_BYTES} random bytes"
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
    """Return the bits that stand for `verbs`."""
    return sum(verb.value for verb in verbs)


def from_bits(bits: int) -> frozenset[Verb]:
    """Return the verbs that `bits` stand for; bits of no verb say nothing."""
    return _SETS[bits & _ALL_BITS]


def _from_text(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _to_text(packed: bytes) -> str:
    return _to_base64(packed).decode("ascii")


def _to_base64(packed: bytes) -> bytes:
    return urlsafe_b64encode(packed).rstrip(b"=")
