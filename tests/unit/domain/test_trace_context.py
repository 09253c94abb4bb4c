"""What the header `traceparent` of others may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.core.spans import parse_traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
VALID = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (VALID, VALID),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"00-{TRACE}-{SPAN}-ff", VALID),
        (f"cc-{TRACE}-{SPAN}-01", VALID),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", VALID),
    ],
)
def test_valid_header_is_kept_in_the_form_of_version_00(text: str, kept: str) -> None:
    assert parse_traceparent(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "garbage",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n",
        f" {VALID}",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 300}",
        f"00-{TRACE[:-1]}\N{ARABIC-INDIC DIGIT ONE}-{SPAN}-01",
    ],
)
def test_invalid_header_is_ignored(text: str | None) -> None:
    assert parse_traceparent(text) is None


@given(st.text(max_size=300))
def test_any_text_is_ignored_or_becomes_55_characters(text: str) -> None:
    kept = parse_traceparent(text)

    assert kept is None or len(kept) == len(VALID)
