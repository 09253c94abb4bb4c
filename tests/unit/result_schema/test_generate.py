import json
import logging
from collections.abc import Callable
from types import GenericAlias
from typing import Annotated, Any, ClassVar, ForwardRef

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import WithJsonSchema
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadConverter,
)

from ringback.result_schema.generate import Reader, generate_schema, reader_of
from ringback.result_schema.validate import find_problems
from tests.unit.result_schema.types_and_json import COMMON, PYDANTICS_OWN, VALUES, Receipt

# The SDK reads a model without pydantic's converter by what pydantic 1 had.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated"),
    pytest.mark.filterwarnings("ignore:__int__ returned non-int"),
]

CONVERTERS = {"default": DataConverter.default, "pydantic": pydantic_data_converter}
TYPES = COMMON | PYDANTICS_OWN
ASKED = [
    *(("default", name) for name in COMMON),
    *(("pydantic", name) for name in TYPES),
]

OPEN = {
    ("default", "Lenient"): "what its `_missing_` takes is code of the user's",
    ("default", "Strict"): "without pydantic's converter a strict model gets texts, and no instant",
    ("pydantic", "Lenient"): "what its `_missing_` takes is code of the user's",
    ("pydantic", "before"): "what its validator takes is code of the user's, which does not say it",
}
"""What is accepted and cannot be read, and why."""


def is_one_of(*texts: str) -> Callable[[str], bool]:
    return lambda text: text in texts


def has_a_fraction(text: str) -> bool:
    return isinstance(json.loads(text), float)


def is_no_list(text: str) -> bool:
    return text[0] != "["


TRUTH_FOR_A_NUMBER = ["true", "false"]
BENT: dict[tuple[str, str], Callable[[str], bool]] = {
    # A truth value is no number, infinity is no number of JSON's, and a number is not cut.
    **{
        ("default", name): lambda text: text in TRUTH_FOR_A_NUMBER or has_a_fraction(text)
        for name in ("int", "UserId", "int | None", "int | str")
    },
    ("default", "float"): is_one_of(*TRUTH_FOR_A_NUMBER, "1e400", "-1e400"),
    ("default", "Level"): is_one_of("true"),
    ("default", "Rights"): is_one_of(*TRUTH_FOR_A_NUMBER),
    ("default", "Literal"): is_one_of("true"),
    ("default", "dict[str, int]"): is_one_of('{"a": 1.5}'),
    # A list of a text's letters or of an object's keys is not what anybody means.
    **{("default", name): is_no_list for name in ("list", "frozenset[str]", "Pair", "IPv6Network")},
    **{
        ("default", name): is_one_of('""', "{}", "[1.5]")
        for name in (
            *("list[int]", "set[int]", "deque[int]", "Sequence[int]", "tuple[int, ...]"),
            *("list[Receipt | None]", "Receipt | list[int]"),
        )
    },
    # Something is missing, and the converter does not mind.
    ("default", "tuple[int, str]"): lambda text: text in {'""', "{}"} or "," not in text,
    ("default", "Ticket"): lambda text: "id" not in json.loads(text),
    # The same with pydantic, which bends less.
    **{
        ("pydantic", name): is_one_of(*TRUTH_FOR_A_NUMBER)
        for name in ("int", "UserId", "int | None", "int | str", "positive")
    },
    ("pydantic", "float"): is_one_of(*TRUTH_FOR_A_NUMBER, "1e400", "-1e400"),
    ("pydantic", "complex"): is_one_of("1e400", "-1e400"),
    ("pydantic", "Literal"): is_one_of("true"),
    ("pydantic", "Level"): is_one_of("true", '"1"', '" 1 "'),
    ("pydantic", "Rights"): is_one_of(*TRUTH_FOR_A_NUMBER, "1.0", "-1.0", '"1"', '" 1 "'),
    # Python's `$` also matches before a newline at the end.
    ("pydantic", "compiled"): is_one_of('"a\\n"'),
    ("pydantic", "Pair"): lambda text: text.startswith('{"left"'),
    # An address is written, not counted.
    **{
        ("pydantic", name): lambda text: text[0] not in '"[{'
        for name in ("IPv4Address", "IPv6Network")
    },
}
"""What could be read and is refused: a value that would be bent into shape."""


def is_read(converter: DataConverter, hint: Any, text: str) -> bool:
    payload = Payload(metadata={"encoding": b"json/plain"}, data=text.encode())
    try:
        converter.payload_converter.from_payloads([payload], [hint])
    except (ValueError, TypeError, AttributeError, RuntimeError, OverflowError):
        return False
    return True


def is_accepted(schema: str | None, text: str) -> bool:
    return schema is None or not find_problems(schema, text.encode())


@pytest.mark.parametrize(("by", "name"), ASKED)
def test_what_is_accepted_can_be_read(by: str, name: str) -> None:
    schema = generate_schema(TYPES[name], CONVERTERS[by])

    accepted = [text for text in VALUES if is_accepted(schema, text)]

    unread = [text for text in accepted if not is_read(CONVERTERS[by], TYPES[name], text)]
    assert bool(unread) is ((by, name) in OPEN), unread


@pytest.mark.parametrize(("by", "name"), ASKED)
def test_what_can_be_read_is_accepted(by: str, name: str) -> None:
    schema = generate_schema(TYPES[name], CONVERTERS[by])

    read = [text for text in VALUES if is_read(CONVERTERS[by], TYPES[name], text)]

    refused = [text for text in read if not is_accepted(schema, text)]
    is_bent = BENT.get((by, name), is_one_of())
    assert [text for text in refused if not is_bent(text)] == []
    assert bool(refused) is ((by, name) in BENT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "id", "cents", "v", "kids", "n"]), inner)
    ),
    max_leaves=6,
)


@given(which=st.sampled_from([one for one in ASKED if one not in OPEN]), value=JSON)
@settings(max_examples=400, deadline=None)
def test_whatever_is_accepted_can_be_read(which: tuple[str, str], value: object) -> None:
    by, name = which
    text = json.dumps(value)
    schema = generate_schema(TYPES[name], CONVERTERS[by])

    accepted = is_accepted(schema, text)

    assert not accepted or is_read(CONVERTERS[by], TYPES[name], text)


@pytest.mark.parametrize(("by", "name"), ASKED)
def test_the_same_type_has_the_same_text(by: str, name: str) -> None:
    schema = generate_schema(TYPES[name], CONVERTERS[by])

    assert schema is None or schema == json.dumps(
        json.loads(schema), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


@pytest.mark.parametrize("said", [object, Any])
def test_a_type_that_says_nothing_has_no_schema(said: object) -> None:
    assert generate_schema(said, DataConverter.default) is None


class Opaque:
    """A class that neither converter knows."""


def test_a_type_without_a_schema_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    unknown = GenericAlias(list, (ForwardRef("NotThere"),))

    made = [generate_schema(unknown) for _ in range(3)]

    assert made == [None] * 3
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "NotThere" in caplog.text
    assert "not checked" in caplog.text


@pytest.mark.parametrize("by", CONVERTERS)
def test_what_the_converter_can_never_read_is_refused_and_warned_of(
    by: str, caplog: pytest.LogCaptureFixture
) -> None:
    schema = generate_schema(dict[str, Opaque], CONVERTERS[by])

    assert not is_accepted(schema, '{"a": 1}')
    assert not is_read(CONVERTERS[by], dict[str, Opaque], '{"a": 1}')
    assert "dict[str" in caplog.text


def test_an_annotation_that_cannot_be_hashed_does_no_harm() -> None:
    schema = generate_schema(Annotated[int, ["a list"]], DataConverter.default)

    assert schema == '{"type":"integer"}'


def test_a_type_may_say_itself_what_it_looks_like() -> None:
    schema = generate_schema(Annotated[Any, WithJsonSchema({"const": 5})])

    assert is_accepted(schema, "5")
    assert not is_accepted(schema, "6")


class Custom(DefaultPayloadConverter):
    """A converter of the user's on top of the SDK's."""


class CustomJson(CompositePayloadConverter):
    """A converter that reads JSON in its own way."""

    def __init__(self) -> None:
        super().__init__(JSONPlainPayloadConverter(custom_type_converters=[]))


class Alone(PayloadConverter):
    """A converter that is not put together of others."""

    default: ClassVar[PayloadConverter] = PayloadConverter.default

    def to_payloads(self, values: Any) -> list[Payload]:
        return self.default.to_payloads(values)

    def from_payloads(self, payloads: Any, type_hints: Any = None) -> list[Any]:
        return self.default.from_payloads(payloads, type_hints)


@pytest.mark.parametrize(
    ("converter", "reader"),
    [
        (None, Reader.UNKNOWN),
        (DataConverter.default, Reader.DEFAULT),
        (pydantic_data_converter, Reader.PYDANTIC),
        (DataConverter(payload_converter_class=Custom), Reader.DEFAULT),
        (DataConverter(payload_converter_class=CustomJson), Reader.UNKNOWN),
        (DataConverter(payload_converter_class=Alone), Reader.UNKNOWN),
    ],
)
def test_what_reads_json_is_known_by_the_converter(
    converter: DataConverter | None, reader: Reader
) -> None:
    assert reader_of(converter) is reader


def test_an_unknown_converter_is_taken_to_read_what_pydantic_reads() -> None:
    assert generate_schema(Receipt) == generate_schema(Receipt, pydantic_data_converter)


def test_an_unknown_converter_may_read_what_pydantic_cannot() -> None:
    assert generate_schema(Opaque) is None
