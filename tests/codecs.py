"""Payload codecs and data converters, as users write them."""

import asyncio
import dataclasses
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import cycle

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)


@dataclass(frozen=True)
class XorCodec(PayloadCodec, WithSerializationContext):
    """Encrypts payloads with a key per workflow, so it needs the workflow's context."""

    key: bytes | None = None

    def with_context(self, context: SerializationContext) -> "XorCodec":
        assert isinstance(context, ActivitySerializationContext | WorkflowSerializationContext)
        named = f"{context.namespace}/{context.workflow_id}"
        return dataclasses.replace(self, key=sha256(named.encode()).digest())

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(
                metadata={"encoding": b"binary/xor"}, data=self._xored(payload.SerializeToString())
            )
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        # Reject plain payloads, so that plain text in a history is noticed.
        assert {payload.metadata["encoding"] for payload in payloads} <= {b"binary/xor"}
        return [Payload.FromString(self._xored(payload.data)) for payload in payloads]

    def _xored(self, data: bytes) -> bytes:
        assert self.key is not None, "the codec needs the context of a workflow"
        return bytes(one ^ other for one, other in zip(data, cycle(self.key), strict=False))


class ZipCodec(PayloadCodec):
    """Compresses payloads."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(
                metadata={"encoding": b"binary/zlib"},
                data=zlib.compress(payload.SerializeToString()),
            )
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(zlib.decompress(payload.data)) for payload in payloads]


class HangingCodec(ZipCodec):
    """Hangs on payloads that contain `hang`, like a codec whose key service does not reply."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if any(b"hang" in payload.data for payload in payloads):
            await asyncio.Event().wait()
        return await super().encode(payloads)


hidden = DataConverter(
    payload_converter_class=PydanticPayloadConverter,
    payload_codec=XorCodec(),
    failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
)
"""pydantic's types, encrypted with a key per workflow, including failure messages."""

zipped = DataConverter(payload_codec=ZipCodec())

hanging = DataConverter(payload_codec=HangingCodec())
