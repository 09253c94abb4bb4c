"""`Prefer: wait=N`, as RFC 7240 spells it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.gateway.answer_endpoint import LONGEST_WAIT, wanted_wait


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=10", 10),
        ("wait = 10", 10),
        ('wait="10"', 10),
        ("Wait=10", 10),
        ("respond-async, wait=10", 10),
        ("respond-async; wait=10", 10),
        ("wait=0", 0),
        ("wait=-1", 0),
        ("wait=ten", 0),
        ("wait", 0),
        ("await=10", 0),
        ("", 0),
    ],
)
def test_wait_is_parsed(header: str, seconds: int) -> None:
    assert wanted_wait([header]) == timedelta(seconds=seconds)


def test_wait_is_limited_to_one_minute() -> None:
    assert wanted_wait(["wait=999999999"]) == LONGEST_WAIT


@given(header=st.text())
def test_parsing_any_header_returns_a_wait(header: str) -> None:
    assert timedelta(0) <= wanted_wait([header]) <= LONGEST_WAIT
