"""Frames that the driver of RabbitMQ cannot decode."""

import struct

import pytest
from pamqp.commands import Basic
from pamqp.exceptions import UnmarshalingException
from pamqp.frame import unmarshal
from pamqp.header import ContentHeader

from ringback.queues.rabbitmq import tolerate_unreadable_fields

PROPERTIES = Basic.Properties(content_type="text/plain", headers={"a": "b"}, message_id="id 1")
TIMESTAMP = 1 << 6
MICROSECONDS = struct.pack(">Q", 1_700_000_000_000_000)


@pytest.fixture(autouse=True)
def tolerant() -> None:
    for _ in range(2):
        tolerate_unreadable_fields()


def frame_of(payload: bytes) -> bytes:
    """Return a frame with the header of a message."""
    return struct.pack(">BHI", 2, 1, len(payload)) + payload + b"\xce"


def test_fields_before_an_unreadable_time_are_kept() -> None:
    whole = ContentHeader(body_size=3, properties=PROPERTIES).marshal()
    flags = struct.unpack(">H", whole[12:14])[0] | TIMESTAMP
    payload = whole[:12] + struct.pack(">H", flags) + whole[14:] + MICROSECONDS

    _, _, header = unmarshal(frame_of(payload))

    assert isinstance(header, ContentHeader)
    assert header.body_size == len("abc")
    assert header.properties == PROPERTIES


def test_deeply_nested_header_is_left_out() -> None:
    nested = b""
    for _ in range(5000):
        entry = b"\x01aF" + struct.pack(">I", len(nested)) + nested
        nested = entry
    table = struct.pack(">I", len(nested)) + nested
    payload = struct.pack(">HHQH", 60, 0, 3, 1 << 13) + table

    _, _, header = unmarshal(frame_of(payload))

    assert isinstance(header, ContentHeader)
    assert header.properties.headers is None


def test_frame_without_its_size_is_an_error() -> None:
    with pytest.raises(UnmarshalingException):
        unmarshal(frame_of(b"\x00\x3c"))
