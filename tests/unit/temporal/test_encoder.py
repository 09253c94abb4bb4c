"""A data converter or codec that never returns blocks only its own encoding."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

import pytest
from temporalio.converter import DataConverter

from ringback.core.services import caught, task_group
from ringback.domain.errors import EncodingError
from ringback.domain.ids import CallbackId
from ringback.temporal.encoder import MOST_AT_ONCE, MOST_THREADS, TIMEOUT, Encoder, Use
from tests.codecs import ZipCodec

FOREIGN = DataConverter(payload_codec=ZipCodec())
SHORT = timedelta(milliseconds=50)
ONE, OTHER = CallbackId("cb_1"), CallbackId("cb_2")


async def quick() -> str:
    return threading.current_thread().name


async def hang() -> str:
    await asyncio.Event().wait()
    return "never"


@pytest.fixture
def encoder() -> Encoder:
    return Encoder(FOREIGN)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def blocking(released: threading.Event, begun: threading.Event) -> Callable[[], Awaitable[str]]:
    async def block() -> str:
        begun.set()
        released.wait()
        return "at last"

    return block


async def succeeded(
    encoder: Encoder, encode: Callable[[], Awaitable[str]] = quick, to: CallbackId = OTHER
) -> str:
    return await run(encoder, encode, to, within=TIMEOUT)


async def run(
    encoder: Encoder,
    encode: Callable[[], Awaitable[str]],
    to: CallbackId,
    use: Use = Use.CHECK,
    *,
    within: timedelta,
) -> str:
    """Give an encoding that must fail a short time, and one that must succeed a long one."""
    encoder.timeout = within
    return await encoder.run(encode, to, use)  # type: ignore[arg-type]  # - all are coroutine functions


async def refused(encoder: Encoder, encode: Callable[[], Awaitable[str]], to: CallbackId) -> str:
    with pytest.raises(EncodingError) as error:
        await run(encoder, encode, to, within=SHORT)
    return str(error.value)


async def test_encodings_share_one_thread_that_is_not_the_caller_s(encoder: Encoder) -> None:
    names = await asyncio.gather(*(succeeded(encoder, to=CallbackId(f"{n}")) for n in range(9)))

    assert set(names) == {"ringback-encoder-1"}


async def test_the_sdk_s_own_converter_runs_at_once() -> None:
    assert (
        await Encoder(DataConverter.default).run(quick, ONE, Use.CHECK)
        == threading.current_thread().name
    )


async def test_encoding_that_never_returns_is_refused_and_reported(
    encoder: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    assert await refused(encoder, hang, ONE) == "the data converter did not return within 0.05 s"

    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.message == "data converter hangs: it does not return"
    assert record.__dict__["callback_id"] == ONE
    assert "ZipCodec" in record.__dict__["converter"]
    assert await succeeded(encoder, to=ONE) == "ringback-encoder-1"


async def test_other_encodings_succeed_while_many_hang(encoder: Encoder) -> None:
    hanging = [refused(encoder, hang, CallbackId(f"{n}")) for n in range(MOST_AT_ONCE - 1)]

    *_, name = await asyncio.gather(*hanging, succeeded(encoder))

    assert name == "ringback-encoder-1"


async def test_encodings_above_the_maximum_are_rejected_at_once(encoder: Encoder) -> None:
    ids = [CallbackId(f"{n}") for n in range(MOST_AT_ONCE + 1)]

    *_, last = await asyncio.gather(*(refused(encoder, hang, id_) for id_ in ids))

    assert last == f"the data converter has not returned from {MOST_AT_ONCE} encodings"
    assert await succeeded(encoder)


async def test_flood_of_hung_checks_leaves_room_for_deliveries(encoder: Encoder) -> None:
    ids = [CallbackId(f"{n}") for n in range(MOST_AT_ONCE)]

    *_, name = await asyncio.gather(
        *(refused(encoder, hang, id_) for id_ in ids),
        run(encoder, quick, ONE, Use.DELIVERY, within=TIMEOUT),
    )

    assert name == "ringback-encoder-1"


async def test_error_of_the_codec_is_reported_without_its_text(encoder: Encoder) -> None:
    async def fail() -> str:
        msg = "a secret"
        raise TimeoutError(msg)

    message = await refused(encoder, fail, ONE)

    assert message == "the data converter failed: TimeoutError"


async def test_other_encodings_use_another_thread_while_one_is_blocked(
    encoder: Encoder, released: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    begun = threading.Event()
    async with task_group() as group:
        group.create_task(refused(encoder, blocking(released, begun), ONE))
        await asyncio.to_thread(begun.wait)

        behind = await refused(encoder, quick, OTHER)

    assert "did not return" in behind
    assert await succeeded(encoder) == "ringback-encoder-2"
    messages = {one.message for one in caplog.records if one.levelno == logging.ERROR}
    assert messages == {
        "data converter hangs: it does not return",
        "data converter hangs: it blocks the thread that this one waited for",
    }


async def test_encoding_that_blocks_a_thread_is_rejected_until_it_returns(
    encoder: Encoder, released: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    block = blocking(released, threading.Event())
    for _ in range(2):
        await refused(encoder, block, ONE)

    messages = [await refused(encoder, block, ONE) for _ in range(2 * MOST_THREADS)]
    others = [await succeeded(encoder) for _ in range(2)]

    assert "from an earlier try" in messages[-1]
    assert others == ["ringback-encoder-3"] * 2
    released.set()
    while not any("returned after all" in one.message for one in caplog.records):
        await succeeded(encoder)
    while await succeeded(encoder) != "ringback-encoder-1":
        pass
    assert await succeeded(encoder, to=ONE)


async def test_encoding_stuck_in_a_blocked_thread_succeeds_on_its_retry(
    encoder: Encoder, released: threading.Event
) -> None:
    async def beside() -> str:
        await asyncio.sleep(0)
        return "done"

    both = blocking(released, threading.Event())
    waiting = refused(encoder, hang, OTHER)
    await asyncio.gather(waiting, refused(encoder, both, ONE))

    assert await succeeded(encoder, beside) == "done"


async def test_encoding_is_rejected_at_once_when_all_threads_are_blocked(
    encoder: Encoder, released: threading.Event
) -> None:
    for number in range(MOST_THREADS):
        await refused(encoder, blocking(released, threading.Event()), CallbackId(f"{number}"))

    assert "blocks its threads" in await refused(encoder, quick, OTHER)

    released.set()
    while isinstance(await caught(succeeded(encoder)), EncodingError):
        await asyncio.to_thread(released.wait)
