import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.domain.exact_json import items, members

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
INDENTS = st.sampled_from([None, 0, 2, "\t"])


@pytest.mark.parametrize(
    "text",
    [
        *(b"1.10", b"1e400", b"-0.0", b"0.1000000000000000055511151231257827", b"9" * 6000),
        *(
            b'"a,]}"',
            b'"\\u00e4\\""',
            '"ä"'.encode(),
            b'{"b": 1.0,  "a": [1 , 2]}',
            b"[ ]",
            b"null",
        ),
    ],
)
def test_item_keeps_its_bytes(text: bytes) -> None:
    assert items(b" [ " + text + b" ,\n" + text + b"]\t") == [text, text]


@pytest.mark.parametrize("empty", [b"[]", b"[ ]", b" []\n"])
def test_an_empty_array_has_no_items(empty: bytes) -> None:
    assert items(empty) == []


def test_member_keeps_its_bytes() -> None:
    obj = b'{ "a" : 1.10 , "b":[1 ,2.0], "\\u0063": {"d": "}"} }'

    assert members(obj) == {"a": b"1.10", "b": b"[1 ,2.0]", "c": b'{"d": "}"}'}


def test_last_of_two_members_with_one_name_counts() -> None:
    assert members(b'{"a": 1, "a": 2.0}') == {"a": b"2.0"}


def test_an_empty_object_has_no_members() -> None:
    assert members(b" { } ") == {}


@given(st.lists(JSON), INDENTS)
def test_items_are_those_of_the_array(values: list[object], indent: int | str | None) -> None:
    text = json.dumps(values, indent=indent)

    assert [json.loads(item) for item in items(text.encode())] == values


@given(st.dictionaries(st.text(), JSON), INDENTS)
def test_members_are_those_of_the_object(
    values: dict[str, object], indent: int | str | None
) -> None:
    text = json.dumps(values, indent=indent)

    assert {name: json.loads(one) for name, one in members(text.encode()).items()} == values


@pytest.mark.parametrize("wrong", [b"", b"1", b"{}", b"[1,]", b"[1", b"\xff", b"[1] 2", b"[[[1]"])
def test_items_of_anything_but_an_array_raise(wrong: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        items(wrong)


@pytest.mark.parametrize("wrong", [b"", b"1", b"[]", b'{"a":}', b'{"a": 1', b"\xff"])
def test_members_of_anything_but_an_object_raise(wrong: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        members(wrong)


def test_content_of_a_part_is_not_parsed() -> None:
    inside = b'[1, nonsense, {"a": [nonsense]}, "]"]'

    assert items(b"[" + inside + b"," + inside + b"]") == [inside, inside]
    assert members(b'{"a": ' + inside + b"}") == {"a": inside}


def test_part_may_be_nested_to_any_depth() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000

    assert items(b"[" + deep + b"]") == [deep]
