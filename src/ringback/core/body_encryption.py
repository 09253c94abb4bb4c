"""Encrypts the bodies of answers and heartbeats before they are stored, and reads both forms.

A stored body says by itself whether it is encrypted, so the setting may change at any time.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from ringback.domain.callback import Accepted, Callback
from ringback.domain.encrypted_body import EncryptedBody, is_encrypted, read_encrypted
from ringback.domain.errors import EncodingError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import (
    AnyOutcome,
    Outcome,
    is_same_answer,
    read_seal,
    to_body,
    to_fields,
    to_value,
    with_body,
)
from ringback.domain.terms import Terms, to_terms
from ringback.domain.vote import Vote
from ringback.ports.results import BodyCipher

LARGE: Final = 64 * 1024
"""Larger bodies are parsed in a thread, to keep the event loop responsive."""

_PURPOSE: Final = "body"


class Seals(Protocol):
    """Keyed digests, as `ringback.domain.link.Keyring` makes them."""

    def seal(self, purpose: str, text: str) -> str:
        """Return a seal of `text`."""
        ...

    def is_sealed(self, purpose: str, text: str, seal: str) -> bool:
        """Return whether `seal` is the seal of `text`."""
        ...


class BodyEncryption:
    """Encrypts bodies before they are stored, and decrypts those that are.

    Attributes:
        is_on: Whether new bodies are encrypted. Stored ones are decrypted in any case.
    """

    def __init__(self, cipher: BodyCipher, seals: Seals, *, is_on: bool) -> None:
        """Encrypt with `cipher`; `seals` recognize the same answer again."""
        self._cipher = cipher
        self._seals = seals
        self.is_on = is_on

    async def encrypt(self, terms: Terms, outcome: AnyOutcome) -> AnyOutcome:
        """Return `outcome` as it is stored. Its kind and its fields stay in plain text.

        Raises:
            EncodingError: The user's codec failed or hangs; nothing may be stored.
        """
        body = to_body(outcome)
        if body is None or not self.is_on:
            return outcome
        text = await _find_sealed_text(terms.callback_id, body)
        seal = "" if text is None else self._seals.seal(_PURPOSE, text)
        content = await self._cipher.encrypt(terms, body)
        return with_body(outcome, EncryptedBody(seal, content).to_bytes())

    async def encrypt_details(self, callback: Callback, details: bytes | None) -> bytes | None:
        """Return the details of a heartbeat as they are stored.

        Raises:
            EncodingError: The user's codec failed or hangs; nothing may be stored.
        """
        if details is None or not self.is_on:
            return details
        content = await self._cipher.encrypt(to_terms(callback), details)
        return EncryptedBody("", content).to_bytes()

    async def decrypt(self, callback: Callback) -> Accepted | None:
        """Return the accepted outcome of `callback` in plain text.

        Raises:
            EncodingError: The user's codec failed or hangs, or there is none; retry.
        """
        accepted = callback.accepted
        if accepted is None:
            return None
        plain = await decrypt_outcome(self._cipher, callback, accepted.outcome)
        return accepted if plain is accepted.outcome else replace(accepted, outcome=plain)

    async def is_same_answer(self, callback: Callback, stored: Outcome, sent: Outcome) -> bool:
        """Return whether `sent` is the answer that is `stored` for `callback`.

        The seal recognizes it without the codec, also once the body was dropped. A key of the seal
        may have been removed; then the body itself is compared.

        Raises:
            EncodingError: The user's codec failed or hangs, or there is none; retry.
        """
        old, body = to_body(stored), to_body(sent)
        seal = None if old is None else read_seal(old)
        if old is None or seal is None:
            return is_same_answer(stored, sent)
        is_same_kind = type(stored) is type(sent) and to_fields(stored) == to_fields(sent)
        if body is None or not is_same_kind:
            return False
        text = await _find_sealed_text(callback.id, body)
        if text is not None and self._seals.is_sealed(_PURPOSE, text, seal):
            return True
        if not is_encrypted(old):
            return False
        return is_same_answer(await decrypt_outcome(self._cipher, callback, stored), sent)

    async def decrypt_votes(self, callback: Callback, votes: Sequence[Vote]) -> Sequence[Vote]:
        """Return votes on `callback` in plain text.

        Raises:
            EncodingError: The user's codec failed or hangs, or there is none; retry.
        """
        return [
            vote
            if vote.body is None
            else replace(vote, body=await decrypt_body(self._cipher, callback, vote.body))
            for vote in votes
        ]


async def decrypt_body(cipher: BodyCipher, callback: Callback, stored: bytes) -> bytes:
    """Return a stored body of `callback` in plain text.

    Raises:
        EncodingError: It cannot be decrypted now; retry.
    """
    if not is_encrypted(stored):
        return stored
    try:
        encrypted = read_encrypted(stored)
    except ValueError as exc:
        msg = "the stored body cannot be decrypted: it is damaged"
        raise EncodingError(msg) from exc
    return encrypted.to_plain(await cipher.decrypt(to_terms(callback), encrypted.content))


async def decrypt_outcome(cipher: BodyCipher, callback: Callback, outcome: Outcome) -> Outcome:
    """Return a stored outcome of `callback` with its body in plain text.

    Raises:
        EncodingError: It cannot be decrypted now; retry.
    """
    stored = to_body(outcome)
    if stored is None or not is_encrypted(stored):
        return outcome
    return with_body(outcome, await decrypt_body(cipher, callback, stored))


async def _find_sealed_text(callback_id: CallbackId, body: bytes) -> str | None:
    """Return what the seal of a body is of; `None` if it cannot be parsed, such as a deep one."""
    try:
        value = await asyncio.to_thread(to_value, body) if len(body) > LARGE else to_value(body)
    except (RecursionError, ValueError):
        return None
    # With the callback: equal answers to two callbacks have different seals.
    return f"{callback_id}:{value}"
