"""Bodies are encrypted by the user's codec, under a time limit."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.converter import DataConverter

from ringback.core.services import caught
from ringback.domain.errors import EncodingError
from ringback.domain.ids import CallbackId
from ringback.domain.terms import Terms
from ringback.temporal.body_cipher import CodecCipher
from ringback.temporal.encoder import Encoder, Use
from tests import encryption
from tests.codecs import XorCodec, hanging

BODY = b'{"card": "4242"}'


def terms(workflow_id: str = "w1") -> Terms:
    return Terms(CallbackId("cb_1"), "default", workflow_id, "1", "Order", "charge", "orders", None)


def cipher(converter: DataConverter, *, within: timedelta | None = None) -> CodecCipher:
    encoder = Encoder(converter)
    encoder.timeout = within or encoder.timeout
    return CodecCipher(encoder, use=Use.CHECK)


async def test_content_differs_each_time_and_is_decrypted_to_the_body() -> None:
    codec = cipher(encryption.encrypted)

    one, other = await codec.encrypt(terms(), BODY), await codec.encrypt(terms(), BODY)

    assert one != other
    assert b"4242" not in one + other
    assert await codec.decrypt(terms(), one) == await codec.decrypt(terms(), other) == BODY


async def test_newer_codec_decrypts_what_an_older_key_encrypted() -> None:
    content = await cipher(encryption.before_rotation).encrypt(terms(), BODY)

    assert await cipher(encryption.encrypted).decrypt(terms(), content) == BODY


async def test_codec_has_the_context_of_the_activity() -> None:
    codec = cipher(DataConverter(payload_codec=XorCodec()))
    content = await codec.encrypt(terms(), BODY)

    wrong = await caught(codec.decrypt(terms("w2"), content))

    assert await codec.decrypt(terms(), content) == BODY
    assert isinstance(wrong, EncodingError)


async def test_codec_that_does_not_encrypt_is_refused() -> None:
    plain = DataConverter(payload_codec=encryption.PlainCodec())

    with pytest.raises(EncodingError, match="RINGBACK_ENCRYPT_BODIES: the payload codec returned"):
        await cipher(plain).encrypt(terms(), BODY)


async def test_codec_that_hangs_is_refused() -> None:
    codec = cipher(hanging, within=timedelta(milliseconds=50))

    async with asyncio.timeout(5):
        with pytest.raises(EncodingError, match="did not return within"):
            await codec.encrypt(terms(), b'"hang"')


@pytest.mark.parametrize("content", [b"", b"\xff", b"no payloads"])
async def test_content_that_is_damaged_is_an_error(content: bytes) -> None:
    with pytest.raises(EncodingError, match="the stored body cannot be decrypted"):
        await cipher(encryption.encrypted).decrypt(terms(), content)


async def test_converter_without_a_codec_says_what_to_set() -> None:
    with pytest.raises(EncodingError, match="set RINGBACK_DATA_CONVERTER to the one that"):
        await cipher(DataConverter.default).decrypt(terms(), b"")
