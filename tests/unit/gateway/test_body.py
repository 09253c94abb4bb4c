"""Large bodies are parsed in a thread, so that they delay no other request."""

import threading

import pytest

from ringback.gateway.body import LARGE, run_apart


@pytest.mark.parametrize(("size", "is_apart"), [(LARGE, False), (LARGE + 1, True)])
async def test_large_body_is_parsed_in_a_thread(size: int, *, is_apart: bool) -> None:
    reader = await run_apart(bytes(size), threading.get_ident)

    assert (reader != threading.get_ident()) == is_apart


@pytest.mark.parametrize("size", [LARGE, LARGE + 1])
async def test_error_of_a_parser_in_a_thread_is_raised(size: int) -> None:
    def refuse() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_apart(bytes(size), refuse)
