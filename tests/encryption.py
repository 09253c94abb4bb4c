"""Codecs that encrypt with AES-GCM and a new nonce each time, as users write them."""

import asyncio
import os
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec

KEYS = {"2027": bytes(range(32)), "2026": bytes(32)}


class EncryptionCodec(PayloadCodec):
    """Encrypts with the first key; each payload names its key, so older ones are decrypted."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._current = next(iter(keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._decrypt(payload) for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        nonce = os.urandom(12)
        plain = payload.SerializeToString()
        return Payload(
            metadata={"encoding": b"binary/encrypted", "key": self._current.encode()},
            data=nonce + self._ciphers[self._current].encrypt(nonce, plain, None),
        )

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata["encoding"] != b"binary/encrypted":
            return payload
        cipher = self._ciphers[payload.metadata["key"].decode()]
        nonce, encrypted = payload.data[:12], payload.data[12:]
        return Payload.FromString(cipher.decrypt(nonce, encrypted, None))


class FailingCodec(EncryptionCodec):
    """Fails to decrypt payloads that contain `broken`, and hangs on those that contain `hang`."""

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        decoded = await super().decode(payloads)
        if any(b"broken" in payload.data for payload in decoded):
            msg = "a secret"
            raise ValueError(msg)
        if any(b"hang" in payload.data for payload in decoded):
            await asyncio.Event().wait()
        return decoded


class PlainCodec(PayloadCodec):
    """Marks payloads and encrypts nothing."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={"encoding": b"x"}, data=one.data) for one in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload(metadata={"encoding": b"json/plain"}, data=one.data) for one in payloads]


encrypted = DataConverter(payload_codec=EncryptionCodec(KEYS))
before_rotation = DataConverter(payload_codec=EncryptionCodec({"2026": KEYS["2026"]}))
failing = DataConverter(payload_codec=FailingCodec(KEYS))
