"""Ids are checked when a reference is created."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from ringback.completion.batcher import Batcher
from ringback.completion.refs import ActivityRef, Target, freeze
from ringback.domain.completion_errors import ActivityNotFoundError
from ringback.testing import FakeCompletionClient
from tests.loops import idle


def test_optional_ids_may_be_omitted() -> None:
    assert ActivityRef("1") == ActivityRef("1", None, None, None)


@pytest.mark.parametrize(
    ("ids", "name"),
    [
        ((1, "workflow"), "activity_id"),
        ((None, "workflow"), "activity_id"),
        (("1", b"workflow"), "workflow_id"),
        (("1", "workflow", 2), "run_id"),
        (("1", "workflow", "run", 3), "namespace"),
    ],
)
def test_id_that_is_not_a_string_is_rejected_by_name(ids: tuple[str, ...], name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a string"):
        ActivityRef(*ids)


@pytest.mark.parametrize(
    ("ids", "name"),
    [
        (("", "workflow"), "activity_id"),
        (("1", ""), "workflow_id"),
        (("1", "workflow", ""), "run_id"),
        (("1", "workflow", "run", ""), "namespace"),
    ],
)
def test_empty_id_is_rejected_by_name(ids: tuple[str, ...], name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is empty"):
        ActivityRef(*ids)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_frozen_token_is_bytes(kind: Callable[[bytes], Target]) -> None:
    assert freeze(kind(b"a token")) == b"a token"
    assert type(freeze(kind(b"a token"))) is bytes


def test_frozen_ids_are_the_same() -> None:
    assert freeze(ActivityRef("1")) == ActivityRef("1")


async def test_change_of_a_token_after_it_was_queued_has_no_effect() -> None:
    completion = FakeCompletionClient()
    token = bytearray(b"a token")

    async with Batcher(completion, asyncio.sleep) as batcher:
        await batcher.put(token, 0)
        token[:] = b"another"

    assert completion[b"a token"].ended_by == "completed"
    assert completion[b"another"].ended_by is None


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_every_pattern_accepts_each_kind_of_token(kind: Callable[[bytes], Target]) -> None:
    completion = FakeCompletionClient()
    token = kind(b"a token")

    async with completion.keeping_alive(token, every=timedelta(seconds=1)):
        await idle()
    async with completion.processing(token) as work:
        work.result = "done"
    (again,) = await completion.complete_many([(token, "done")])

    assert completion[token].result == "done"
    assert len(completion[token].heartbeats) == 2
    assert isinstance(again.error, ActivityNotFoundError)
