"""`Prefer: wait=N`, as RFC 7240 spells it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.gateway.receipts import LONGEST_WAIT, wanted_wait


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
def test_the_wait_is_read(header: str, seconds: int) -> None:
    assert wanted_wait([header]) == timedelta(seconds=seconds)


def test_nobody_waits_for_ever() -> None:
    assert wanted_wait(["wait=999999999"]) == LONGEST_WAIT


@given(header=st.text())
def test_whatever_the_header_reading_it_is_total(header: str) -> None:
    assert timedelta(0) <= wanted_wait([header]) <= LONGEST_WAIT
