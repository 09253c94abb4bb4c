import json
import logging
import re
from types import GenericAlias
from typing import Annotated, Any, ClassVar, ForwardRef, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasPath, BaseModel, Field, WithJsonSchema
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadConverter,
)

from ringback.result_schema.generate import Reader, find_reader, generate_schema
from ringback.result_schema.validate import find_problems, why_unusable
from ringback.schemas.options import LONGEST_SCHEMA
from tests.unit.result_schema.types_and_json import (
    BOTH,
    ONLY_PYDANTIC,
    VALUES,
    Invoice,
    Order,
    Receipt,
    Ticket,
)

# The SDK reads a model without pydantic's converter by what pydantic 1 had.
pytestmark = pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated")

CONVERTERS = {"default": DataConverter.default, "pydantic": pydantic_data_converter}
TYPES = BOTH | ONLY_PYDANTIC
ASKED = [
    (by, name)
    for by in CONVERTERS
    for name, hint in TYPES.items()
    # The SDK strips annotations before its default converter sees a type.
    if by == "pydantic" or get_origin(hint) is not Annotated
]

WHOLE_NUMBERS = {"1.0", "-1.0", "5.00", "1e15", "1e20", "[1.0]", '{"a": 1.0}'}
"""JSON Schema cannot reject a whole number because it is written as a float."""


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
def test_accepted_values_are_readable_by_the_converter(by: str, name: str) -> None:
    schema = generate_schema(TYPES[name], CONVERTERS[by])

    accepted = [text for text in VALUES if is_accepted(schema, text)]

    unread = [text for text in accepted if not is_read(CONVERTERS[by], TYPES[name], text)]
    assert set(unread) <= WHOLE_NUMBERS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "id", "cents", "v", "kids", "n"]), inner)
    ),
    max_leaves=6,
)


@given(which=st.sampled_from(ASKED), value=JSON)
def test_any_accepted_value_is_readable_by_the_converter(
    which: tuple[str, str], value: object
) -> None:
    by, name = which
    text = json.dumps(value)
    schema = generate_schema(TYPES[name], CONVERTERS[by])

    accepted = is_accepted(schema, text)

    assert not accepted or is_read(CONVERTERS[by], TYPES[name], text)


_ID = '"12345678-1234-4678-9234-567812345678"'
_INVOICE = f'"id": {_ID}, "at": "2026-01-02T03:04:05Z", "cents": 1'

SAME = [
    ("bool", ["true", "false"], ["1", '"true"', "null"]),
    ("int", ["1", "-5", "9223372036854775808"], ["1.5", '"1"', "true", "null", "1e400"]),
    ("float", ["1", "1.5"], ['"1.5"', "true", "1e400"]),
    ("str", ['""', '"a"'], ["1", "null", '["a"]']),
    ("None", ["null"], ["1", '""', "{}"]),
    (
        "datetime",
        ['"2026-01-02T03:04:05Z"', '"2026-01-02T03:04:05.123+01:00"', '"2026-01-02T03:04:05"'],
        ['"soon"', '"2026-13-01T00:00:00Z"', "1700000000", '"0000-01-01T00:00:00Z"'],
    ),
    ("UUID", [_ID], ['"12345678"', '"x2345678-1234-4678-9234-567812345678"', "1"]),
    ("Answer", ['"yes"', '"no"'], ['"YES"', '"maybe"', "1"]),
    ("Level", ["1", "2"], ["3", '"1"', "true"]),
    ("Literal", ['"a"', "1"], ['"b"', "2", "true"]),
    ("list[int]", ["[]", "[1, 2]"], ['["1"]', "[1.5]", "[null]", '""', "{}"]),
    ("tuple[int, str]", ['[1, "a"]'], ["[]", "[1]", '["a", 1]', '[1, "a", 2]']),
    ("dict[str, int]", ["{}", '{"a": 1}'], ['{"a": "1"}', '{"a": null}', "[]"]),
    ("dict[int, str]", ['{"1": "a"}'], ['{"a": "a"}', '{"1": 1}']),
    ("dict[Level, int]", ['{"1": 1}'], ['{"3": 1}', '{"LOW": 1}']),
    ("dict[int | str, int]", ['{"a": 1}'], ['{"a": "x"}', "[]"]),
    ("Box[Cat]", ['{"inside": {"lives": 1}}'], ['{"inside": {"lives": "x"}}', "{}"]),
    ("int | None", ["1", "null"], ['"1"', "[]"]),
    ("int | str", ["1", '"a"'], ["null", "1.5", "[]"]),
    ("Receipt | list[int]", ["[1]", '{"id": "r", "cents": 1}'], ['{"id": "r"}', '"a"']),
    (
        "Order",
        ['{"receipt": {"id": "r", "cents": 1}}'],
        ['{"receipt": {"id": "r"}}', "{}", '{"receipt": {"id": "r", "cents": "1"}}'],
    ),
    ("Chain", ['{"n": 1, "next": {"n": 2, "next": null}}'], ['{"n": 1, "next": {"m": 2}}']),
    ("Ticket", ['{"id": 1}', '{"id": 1, "note": "n"}'], ["{}", '{"id": 1, "note": null}']),
    (
        "Invoice",
        [f'{{{_INVOICE}, "total": "1.10"}}', f'{{{_INVOICE}, "total": 1.1, "due": null}}'],
        [
            *(f'{{{_INVOICE}, "total": {total}}}' for total in ('"much"', '"-1"', "1.105", '""')),
            *(f"{{{_INVOICE}}}", f'{{{_INVOICE}, "total": 1, "due": "2026-02-30"}}'),
        ],
    ),
    ("Closed", ['{"a": 1}'], ['{"a": 1, "zz": 2}']),
    ("Aliased", ['{"A": 1}'], ['{"a": 1}']),
    (
        "Owner",
        ['{"pet": {"kind": "cat"}}', '{"pet": {"kind": "dog", "age": 1}}'],
        ['{"pet": {"kind": "dog"}}', '{"pet": {}}', '{"pet": {"kind": "cow"}}'],
    ),
    ("Tree", ['{"kids": [{"v": 2}, {"kids": []}]}'], ['{"kids": [{"v": "x"}]}']),
]
"""Types that both converters read alike, with accepted and rejected values."""

PLAIN = [
    *((by, *row) for by in CONVERTERS for row in SAME),
    ("default", "bytes", ["[]", "[104, 255]"], ["[256]", "[-1]", '"ab"', '["a"]']),
    ("pydantic", "bytes", ['"ab"'], ["[104]", "1", "null"]),
    ("pydantic", "Binary", ['{"a": "YWJj"}'], ['{"a": "@@"}', '{"a": "YW?"}']),
    *(
        ("default", name, [], [text])
        for name, text in [
            *(("date", '"2026-01-02"'), ("time", '"03:04:05"'), ("Decimal", '"1.5"')),
            *(("Color", '"red"'), ("dict[str, object]", '{"a": 1}'), ("Path", '"a"')),
        ]
    ),
    ("default", "date | None", ["null"], ['"2026-01-02"']),
    ("pydantic", "date", ['"2026-01-02"'], ['"2026-02-30"', '"soon"', "5"]),
    ("pydantic", "time", ['"03:04:05"', '"03:04:05Z"'], ['"25:00:00"', '"5:00"']),
    ("pydantic", "timedelta", ['"PT5M"', '"P1D"', '"PT1.5S"', '"-P1D"'], ['"soon"', '"5:00"']),
    ("pydantic", "Decimal", ["1", "1.5", '"1.50"', '"-1"'], ['"abc"', '""', '"."', '"NaN"']),
    ("pydantic", "money", ["1.5", '"1.50"', "0"], ["1.505", '"1.505"', "-1", '"-1"']),
    ("pydantic", "Color", ['"red"'], ['"RED"', '"green"']),
    ("pydantic", "dict[str, object]", ['{"a": 1}'], ["[]"]),
    ("pydantic", "positive", ["1"], ["0", "-1"]),
    ("pydantic", "pattern", ['"aa"'], ['"ab"']),
    ("pydantic", "length", ['"ab"'], ['"a"', '"abcd"']),
    ("pydantic", "two or more", ["[1, 2]"], ["[1]"]),
    ("pydantic", "AwareDatetime", ['"2026-01-02T03:04:05Z"'], ['"2026-01-02T03:04:05"']),
    ("pydantic", "NaiveDatetime", ['"2026-01-02T03:04:05"'], ['"2026-01-02T03:04:05Z"']),
    ("pydantic", "UUID4", [_ID], ['"12345678-1234-5678-9234-567812345678"']),
    ("pydantic", "HttpUrl", ['"https://example.com/a"'], ['"ftp://example.com"', '"http://"']),
    ("pydantic", "FileUrl", ['"file:///tmp/a"'], ['"http://example.com/"', '"file://"']),
    ("pydantic", "IPv6Network", ['"::/96"'], ['"::1/96"', '"10.0.0.0/8"']),
    ("pydantic", "SecretStr", ['"s"'], ["1"]),
]


@pytest.mark.parametrize(("by", "name", "right", "wrong"), PLAIN)
def test_values_of_a_type_are_accepted_and_others_rejected(
    by: str, name: str, right: list[str], wrong: list[str]
) -> None:
    schema = generate_schema(TYPES[name], CONVERTERS[by])

    assert [text for text in right if not is_accepted(schema, text)] == []
    assert [text for text in wrong if is_accepted(schema, text)] == []
    assert all(is_read(CONVERTERS[by], TYPES[name], text) for text in right)


@pytest.mark.parametrize(("by", "name"), ASKED)
def test_schema_is_plain_json_schema_that_the_gateway_accepts(by: str, name: str) -> None:
    schema = generate_schema(TYPES[name], CONVERTERS[by])

    assert schema is None or why_unusable(schema) is None


def test_same_type_has_same_schema_text() -> None:
    first = generate_schema(Invoice, pydantic_data_converter)
    # Another type to the cache, so its schema is generated again.
    again = generate_schema(Annotated[Invoice, 1], pydantic_data_converter)

    assert again == first


@pytest.mark.parametrize("converter", [pydantic_data_converter, DataConverter.default])
def test_members_stay_in_their_order(converter: DataConverter) -> None:
    schema = json.loads(generate_schema(Receipt, converter) or "")

    found = schema["$defs"]["Receipt"] if "$defs" in schema else schema
    assert list(found["properties"]) == ["id", "cents", "note"]


@pytest.mark.parametrize("said", [object, Any])
def test_type_that_accepts_any_json_has_no_schema(said: object) -> None:
    assert generate_schema(said, DataConverter.default) is None


class Opaque:
    """A class that neither converter can read."""


class ByPath(BaseModel):
    a: int = Field(validation_alias=AliasPath("z", 0))


class Huge(BaseModel):
    a: int = Field(description="x" * LONGEST_SCHEMA)


def no_type_there() -> Any:
    return GenericAlias(list, (ForwardRef("NotThere"),))


@pytest.mark.parametrize(
    ("hint", "why"),
    [
        (no_type_there(), "NotThere"),
        (ByPath, "AliasPath"),
        (Huge, "longer than"),
        (Opaque, "Opaque"),
    ],
)
def test_type_without_schema_is_warned_about_once_and_not_checked(
    hint: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = [generate_schema(hint) for _ in range(3)]

    assert made == [None] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert why in caplog.text
    assert "not checked" in caplog.text


@pytest.mark.parametrize("by", CONVERTERS)
def test_unreadable_type_is_warned_about_and_rejected(
    by: str, caplog: pytest.LogCaptureFixture
) -> None:
    schema = generate_schema(dict[str, Opaque], CONVERTERS[by])

    assert not is_accepted(schema, '{"a": 1}')
    assert not is_read(CONVERTERS[by], dict[str, Opaque], '{"a": 1}')
    assert "Opaque" in caplog.text


class Line(BaseModel):
    cents: int


class Basket(BaseModel):
    lines: list[Line]


@pytest.mark.parametrize(
    "hint", [Basket, list[Basket], dict[str, Basket | None], tuple[int, Basket]]
)
def test_model_under_default_converter_is_warned_about_once(
    hint: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        generate_schema(hint, DataConverter.default)

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "Basket" in record.getMessage()
    assert (
        "for worker and gateway, set"
        " RINGBACK_DATA_CONVERTER=temporalio.contrib.pydantic:pydantic_data_converter"
        in record.getMessage()
    )


@pytest.mark.parametrize(
    ("hint", "converter"),
    [
        (Basket, pydantic_data_converter),
        (Basket, None),
        (Order, DataConverter.default),
        (Ticket, DataConverter.default),
    ],
)
def test_readable_type_is_not_warned_about(
    hint: Any, converter: DataConverter | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    generate_schema(hint, converter)

    assert caplog.records == []


class LookAround(BaseModel):
    text: Annotated[str, Field(pattern=re.compile("^(?!no)"))]


def test_unsupported_pattern_is_warned_about_and_not_checked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    schema = generate_schema(LookAround, pydantic_data_converter) or ""

    assert "pattern of a result type not checked: ^(?!no) must not" in caplog.text
    assert "look-around" in caplog.text
    assert why_unusable(schema) is None
    assert is_accepted(schema, '{"text": "no"}')
    assert not is_accepted(schema, '{"text": 5}')


def test_unhashable_annotation_is_supported() -> None:
    schema = generate_schema(Annotated[int, ["a list"]], DataConverter.default)

    assert schema == '{"type":"integer"}'


def test_type_may_define_its_own_schema() -> None:
    schema = generate_schema(Annotated[Any, WithJsonSchema({"const": 5})])

    assert is_accepted(schema, "5")
    assert not is_accepted(schema, "6")


class Custom(DefaultPayloadConverter):
    """A custom converter based on the SDK's."""


class CustomJson(CompositePayloadConverter):
    """A converter that reads JSON in its own way."""

    def __init__(self) -> None:
        super().__init__(JSONPlainPayloadConverter(custom_type_converters=[]))


class Alone(PayloadConverter):
    """A converter that is not a composite of others."""

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
def test_reader_is_found_from_the_converter(
    converter: DataConverter | None, reader: Reader
) -> None:
    assert find_reader(converter) is reader


def test_unknown_converter_is_treated_like_pydantic() -> None:
    assert generate_schema(Receipt) == generate_schema(Receipt, pydantic_data_converter)
