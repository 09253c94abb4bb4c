"""A large body is read in a thread, so that no other request waits for it."""

import threading

import pytest

from ringback.gateway.body import LARGE, run_apart


@pytest.mark.parametrize(("size", "is_apart"), [(LARGE, False), (LARGE + 1, True)])
async def test_what_is_large_is_read_in_a_thread(size: int, *, is_apart: bool) -> None:
    reader = await run_apart(bytes(size), threading.get_ident)

    assert (reader != threading.get_ident()) == is_apart


@pytest.mark.parametrize("size", [LARGE, LARGE + 1])
async def test_what_is_wrong_with_it_is_told_to_who_reads(size: int) -> None:
    def refuse() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_apart(bytes(size), refuse)
