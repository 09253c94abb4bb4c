"""Encryption of stored bodies by the payload codec of the user's data converter."""

from collections.abc import Sequence
from functools import partial

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from ringback.domain.errors import EncodingError
from ringback.domain.terms import Terms
from ringback.temporal.encoder import Encoder, Use
from ringback.temporal.encoding import contextual, to_payload


class CodecCipher:
    """`BodyCipher` by a codec, with the context of the worker that runs the activity."""

    def __init__(self, encoder: Encoder, *, use: Use) -> None:
        """Run the codec of the converter of `encoder`, in its slots for `use`."""
        self._encoder = encoder
        self._use = use

    async def encrypt(self, terms: Terms, body: bytes) -> bytes:
        encode = partial(_encode, self._codec(terms), body)
        content = await self._encoder.run(encode, terms.callback_id, self._use)
        if content is None:
            msg = "RINGBACK_ENCRYPT_BODIES: the payload codec returned the body in plain text"
            raise EncodingError(msg)
        return content

    async def decrypt(self, terms: Terms, content: bytes) -> bytes:
        decode = partial(_decode, self._codec(terms), content)
        try:
            return await self._encoder.run(decode, terms.callback_id, self._use)
        except EncodingError as exc:
            msg = f"the stored body cannot be decrypted: {exc}"
            raise EncodingError(msg) from exc

    def _codec(self, terms: Terms) -> PayloadCodec:
        codec = contextual(self._encoder.converter, terms).payload_codec
        if codec is None:
            msg = (
                "a stored body is encrypted, and the data converter has no payload codec; set"
                " RINGBACK_DATA_CONVERTER to the one that encrypted it"
            )
            raise EncodingError(msg)
        return codec


async def _encode(codec: PayloadCodec, body: bytes) -> bytes | None:
    """Return the encoded payloads; `None` if one of them still is the body."""
    encoded: Sequence[Payload] = await codec.encode([to_payload(body)])
    if any(payload.data == body for payload in encoded):
        return None
    return Payloads(payloads=encoded).SerializeToString()


async def _decode(codec: PayloadCodec, content: bytes) -> bytes:
    (payload,) = await codec.decode(list(Payloads.FromString(content).payloads))
    return payload.data
