"""Which texts can be aliases."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.domain.alias import (
    LONGEST_ALIAS,
    MOST_ALIASES,
    Alias,
    check_aliases,
    missing_aliases,
)
from ringback.domain.callback import State
from ringback.domain.errors import MalformedRequestError
from ringback.domain.opening import find_or_create
from ringback.domain.options import check_options
from tests import factories


@pytest.mark.parametrize(
    "text",
    [
        *("x", "github:run:42", "orders/17", "a b", "...", "50 %", "caf\u00e9", "\u6ce8\u6587-7"),
        *("https://shop.example/orders?id=1#top", "x" * LONGEST_ALIAS),
    ],
)
def test_business_key_is_an_alias(text: str) -> None:
    assert Alias(text).text == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "1 to 200 characters, not 0"),
        ("x" * (LONGEST_ALIAS + 1), "1 to 200 characters, not 201"),
        ("a\tb", r"character 2 is U\+0009"),
        ("a\x00", r"character 2 is U\+0000"),
        ("\ud800", r"character 1 is U\+D800"),
        ("a\u2028b", r"character 2 is U\+2028"),
        ("\u200bx", r"character 1 is U\+200B"),
        (" a", "begin or end with a space"),
        ("a ", "begin or end with a space"),
        (".", r"nor be '\.' or '\.\.'"),
        ("..", r"nor be '\.' or '\.\.'"),
    ],
)
def test_other_text_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Alias(text)


@given(st.text(max_size=300))
def test_every_text_is_an_alias_that_utf_8_encodes_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert Alias(text).text.encode().decode() == text


@pytest.mark.parametrize("aliases", ["github:run:42", ["a"] * (MOST_ALIASES + 1)])
def test_aliases_are_a_list_of_limited_length(aliases: str | list[str]) -> None:
    with pytest.raises(ValueError, match="a list of at most 20 texts"):
        check_aliases(aliases)


def test_options_check_each_alias() -> None:
    with pytest.raises(ValueError, match=r"U\+000A"):
        check_options({"aliases": ["good", "bad\n"]})


def test_later_attempt_adds_its_aliases_and_removes_none() -> None:
    first = factories.request(aliases=("a", "b"))
    later = factories.request(ref=first.attempt.ref, attempt=2, aliases=("b", "c"))

    opened = find_or_create(None, first, factories.NOW).callback
    again = find_or_create(opened, later, factories.NOW)

    assert again.callback.options.aliases == ("a", "b", "c")
    assert again.aliases == ("c",)


def test_callback_cannot_get_more_aliases_than_the_maximum() -> None:
    had = [f"order:{number}" for number in range(MOST_ALIASES)]

    assert missing_aliases(had, had) == ()
    with pytest.raises(MalformedRequestError, match=f"at most {MOST_ALIASES} aliases"):
        missing_aliases(had, ["order:x"])


def test_attempt_gets_the_answer_however_many_aliases_it_asks_for() -> None:
    first = factories.request(aliases=[f"order:{number}" for number in range(MOST_ALIASES)])
    later = factories.request(ref=first.attempt.ref, attempt=2, aliases=("order:x",))
    opened = find_or_create(None, first, factories.NOW).callback

    again = find_or_create(opened.move(State.ACCEPTED), later, factories.NOW)

    assert again.aliases == ()
    with pytest.raises(MalformedRequestError, match=f"at most {MOST_ALIASES} aliases"):
        find_or_create(opened, later, factories.NOW)
