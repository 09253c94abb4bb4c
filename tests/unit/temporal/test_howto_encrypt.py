"""The codec of the page about encryption encrypts, and decrypts after a rotation of its keys."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.converter import DataConverter

from ringback.core.services import caught
from ringback.domain.errors import EncodingError
from ringback.domain.ids import CallbackId
from ringback.domain.terms import Terms
from ringback.temporal.body_cipher import CodecCipher
from ringback.temporal.encoder import Encoder, Use

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "encrypt.md"
OLD, NEW = f"2026:{'5a' * 32}", f"2027:{'a5' * 32}"
TERMS = Terms(CallbackId("cb_1"), "default", "w1", "1", "Order", "charge", "orders", None)


@pytest.fixture
def cipher(monkeypatch: pytest.MonkeyPatch) -> Callable[..., CodecCipher]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    module: dict[str, Any] = {"__name__": "orders_encryption"}
    exec(compile(code, str(PAGE), "exec"), module)  # noqa: S102 - our own page

    def make(*keys: str) -> CodecCipher:
        monkeypatch.setenv("ORDERS_KEYS", ",".join(keys))
        converter = module["data_converter"]()
        assert isinstance(converter, DataConverter)
        return CodecCipher(Encoder(converter), use=Use.CHECK)

    return make


async def test_old_bodies_are_decrypted_until_their_key_is_removed(
    cipher: Callable[..., CodecCipher],
) -> None:
    old = await cipher(OLD).encrypt(TERMS, b'"hush"')
    new = await cipher(NEW, OLD).encrypt(TERMS, b'"hush"')

    removed = await caught(cipher(NEW).decrypt(TERMS, old))

    assert b"hush" not in old + new
    assert await cipher(NEW, OLD).decrypt(TERMS, old) == b'"hush"'
    assert await cipher(NEW).decrypt(TERMS, new) == b'"hush"'
    assert isinstance(removed, EncodingError)
