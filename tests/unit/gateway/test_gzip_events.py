"""Compressed requests of providers: what is unpacked is limited, counted, and the whole body."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator
from hashlib import shake_128
from pathlib import Path
from typing import Final

import httpx2
import pytest
from starlette.requests import Request

from ringback.gateway import body_budget
from ringback.gateway.body import LARGE
from ringback.gateway.encoded_bodies import unpack_body
from tests.fake_edges import LIMIT
from tests.loops import ManualTimeLoop, idle, run_in_manual_time
from tests.unit.gateway.source_house import (
    SourceHouse,
    StoreThatHesitates,
    opened_source_house,
    run_of,
    signed,
)

MIB: Final = 1024 * 1024
LARGE_BODIES: Final = 5
"""How many bodies that unpack to 2 MiB fit into the budget, which also counts what was sent."""

WAITING: Final = 2
REFUSED: Final = 3


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[SourceHouse]:
    async with opened_source_house(tmp_path) as house:
        yield house


async def send(house: SourceHouse, packed: bytes, body: bytes | None = None) -> httpx2.Response:
    """Send `packed`, signed as `body` if the provider signs before it compresses."""
    headers = signed(packed if body is None else body) | {"content-encoding": "gzip"}
    return await house.http.post("/in/github", content=packed, headers=headers)


@pytest.mark.parametrize("signs_packed", [True, False])
async def test_body_may_be_compressed_before_or_after_it_is_signed(
    house: SourceHouse, *, signs_packed: bool
) -> None:
    packed = gzip.compress(run_of())

    assert (await send(house, packed, None if signs_packed else run_of())).is_success

    assert [one.alias for one in await house.events()] == ["github:run:42"]


async def test_body_that_unpacks_to_too_much_is_refused(house: SourceHouse) -> None:
    assert (await send(house, gzip.compress(bytes(LIMIT + 1)))).status_code == 413
    assert await house.events() == []


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(run_of())[:-8],
        gzip.compress(run_of())[:-1],
        gzip.compress(run_of()) + gzip.compress(b" "),
        gzip.compress(run_of()) + b"x",
        gzip.compress(run_of())[:-8] + bytes(8),
        run_of(),
        b"",
    ],
    ids=["cut", "cut in its checksum", "two members", "garbage", "wrong checksum", "plain", "none"],
)
async def test_part_of_a_compressed_body_is_not_taken_for_all_of_it(
    house: SourceHouse, packed: bytes
) -> None:
    callback = await house.asked(aliases=("github:run:42",))

    before = await send(house, packed, run_of() + b" ")
    assert (before.status_code, await house.events()) == (401, [])
    after = await send(house, packed)

    assert after.status_code == 200
    (event,) = await house.events()
    assert event.callback_id == (callback.id if packed == run_of() else None)


async def test_bomb_is_not_unpacked_beyond_the_limit(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(128 * MIB))
    async with opened_source_house(tmp_path, body_limit=2 * MIB) as house:
        await send(house, gzip.compress(bytes(MIB)))
        tracemalloc.start()
        try:
            reply = await send(house, bomb)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert reply.status_code == 413
    assert peak < 4 * MIB


def test_bytes_that_are_unpacked_count_until_they_are_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_budget, "MOST_WAITING", WAITING)

    async def send_all(_: ManualTimeLoop) -> tuple[list[httpx2.Response], list[httpx2.Response]]:
        async with opened_source_house(tmp_path, StoreThatHesitates, body_limit=2 * MIB) as house:
            assert isinstance(house.store, StoreThatHesitates)
            count = LARGE_BODIES + WAITING + REFUSED
            packed = [gzip.compress(run_of(number=one).ljust(2 * MIB)) for one in range(count)]
            sent = [asyncio.ensure_future(send(house, one)) for one in packed]
            finished = asyncio.as_completed(sent)
            refused = [await next(finished) for _ in range(REFUSED)]
            small = asyncio.ensure_future(house.send(run_of(number=1000)))
            await idle()
            house.store.may_commit.set()
            accepted = [await one for one in finished]
            again = await send(house, packed[0])
            return refused, [*accepted, await small, again]

    refused, accepted = run_in_manual_time(send_all)

    assert {one.status_code for one in refused} == {503}
    assert {one.headers["retry-after"] for one in refused} == {"2"}
    assert all(one.is_success for one in accepted)


SIZES: Final = [
    edge + more for edge in (0, 32 * 1024, LARGE, 32 * 1024 + LARGE, 2 * MIB - 1) for more in (0, 1)
]


@pytest.mark.parametrize("size", SIZES)
async def test_body_of_any_size_is_unpacked_byte_for_byte(size: int) -> None:
    for body in (bytes(size), shake_128().digest(size)):
        assert await unpack_body(request(), gzip.compress(body), limit=2 * MIB) == body


@pytest.mark.parametrize(
    ("packed", "is_apart"),
    [
        (gzip.compress(json.dumps([0] * 10_000).encode()), False),
        (gzip.compress(bytes(2 * MIB)), True),
        (b"x" * (LARGE + 1), True),
    ],
    ids=["small", "unpacks to 2 MiB", "is large itself"],
)
async def test_large_body_is_unpacked_apart(packed: bytes, *, is_apart: bool) -> None:
    unpacking = asyncio.ensure_future(unpack_body(request(), packed, limit=2 * MIB))

    await asyncio.sleep(0)

    assert unpacking.done() is not is_apart
    await unpacking


def request() -> Request:
    return Request({"type": "http", "headers": []})
