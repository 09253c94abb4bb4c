"""Return types of activities, and JSON results."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypeVar,
)
from uuid import UUID

from pydantic import (
    UUID4,
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FileUrl,
    HttpUrl,
    NaiveDatetime,
    RootModel,
    SecretStr,
)
from typing_extensions import TypedDict


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Answer(StrEnum):
    YES = "yes"
    NO = "no"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Receipt:
    id: str
    cents: int
    note: str | None = None


@dataclass
class Order:
    receipt: Receipt
    lines: list[Receipt] = field(default_factory=list)
    bounded: Annotated[int, Field(gt=0)] = 1


@dataclass
class Chain:
    n: int
    next: Optional["Chain"] = None


@dataclass
class WithDay:
    day: date | None


class Ticket(TypedDict):
    id: int
    note: NotRequired[str]


class Pair(NamedTuple):
    left: int
    right: str


T = TypeVar("T")
UserId = NewType("UserId", int)


class Invoice(BaseModel):
    id: UUID
    at: datetime
    cents: Annotated[int, Field(gt=0)]
    total: Annotated[Decimal, Field(gt=0, max_digits=6, decimal_places=2)]
    due: date | None = None


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    a: int


class Binary(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64")

    a: bytes


class Aliased(BaseModel):
    a: int = Field(alias="A")


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    age: int


class Box(BaseModel, Generic[T]):
    inside: T


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Tree(BaseModel):
    v: int = 0
    kids: list["Tree"] = []
    up: Optional["Tree"] = None


class Numbers(RootModel[list[int]]):
    pass


def split(value: object) -> object:
    """Read a list that is sent as one text."""
    return value.split(",") if isinstance(value, str) else value


BOTH: Final[dict[str, Any]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "bytes": bytes,
    "None": type(None),
    "datetime": datetime,
    "UUID": UUID,
    "Answer": Answer,
    "Level": Level,
    "UserId": UserId,
    "Literal": Literal["a", 1],
    "list": list,
    "dict": dict,
    "list[int]": list[int],
    "set[int]": set[int],
    "tuple[int, str]": tuple[int, str],
    "tuple[int, ...]": tuple[int, ...],
    "dict[str, int]": dict[str, int],
    "dict[int, str]": dict[int, str],
    "dict[bool, str]": dict[bool, str],
    "dict[UUID, int]": dict[UUID, int],
    "dict[int | str, int]": dict[int | str, int],
    "Box[Cat]": Box[Cat],
    "dict[Level, int]": dict[Level, int],
    "dict[Answer, int]": dict[Answer, int],
    "int | None": int | None,
    "int | str": int | str,
    "list[Receipt | None]": list[Receipt | None],
    "Receipt | list[int]": Receipt | list[int],
    "Order": Order,
    "Chain": Chain,
    "Ticket": Ticket,
    "Pair": Pair,
    "Invoice": Invoice,
    "Invoice | None": Invoice | None,
    "Closed": Closed,
    "Aliased": Aliased,
    "Owner": Owner,
    "Tree": Tree,
    "Numbers": Numbers,
}
"""Types that both converters read."""

ONLY_PYDANTIC: Final[dict[str, Any]] = {
    "date": date,
    "time": time,
    "timedelta": timedelta,
    "Decimal": Decimal,
    "Color": Color,
    "dict[str, object]": dict[str, object],
    "date | None": date | None,
    "WithDay": WithDay,
    "Path": Path,
    "IPv4Address": IPv4Address,
    "IPv6Network": IPv6Network,
    "Binary": Binary,
    "positive": Annotated[int, Field(gt=0)],
    "money": Annotated[Decimal, Field(ge=0, decimal_places=2)],
    "pattern": Annotated[str, Field(pattern="^a+$")],
    "length": Annotated[str, Field(min_length=2, max_length=3)],
    "two or more": Annotated[list[int], Field(min_length=2)],
    "AwareDatetime": AwareDatetime,
    "NaiveDatetime": NaiveDatetime,
    "UUID4": UUID4,
    "HttpUrl": HttpUrl,
    "FileUrl": FileUrl,
    "Base64Bytes": Base64Bytes,
    "SecretStr": SecretStr,
    "before": Annotated[list[str], BeforeValidator(split)],
}
"""Types that the default converter cannot read, or whose constraints it ignores."""

_UUID = "12345678-1234-4678-9234-567812345678"
_INVOICE = f'"id":"{_UUID}","at":"2026-01-02T03:04:05Z","cents":1'

VALUES: Final = [
    *("null", "true", "false", "0", "1", "3", "-1", "300", "1.0", "1.5", "-1.0", "1e15", "1e20"),
    *("1e400", "-1e400", "9223372036854775807", "9223372036854775808", "1" + "0" * 30),
    *("1700000000", "253402300800000", "0.1", "5.00", "5.005", "-0.5"),
    *('""', '"a"', '"1"', '"-5"', '"1.5"', '"5.00"', '"5.005"', '" 1 "', '"1_000"', '"1e5"'),
    *('"NaN"', '"Infinity"', '"true"', '"red"', '"yes"', '"YES"', '"Yes"', '"aa"', '"AA"'),
    *('"aab"', '"a\\n"', '"abcd"', '"a,b"', '"\\u0000"', '"("', '"1+2j"'),
    *("[]", "[1]", "[1, 1]", "[1.0]", "[1.5]", '[1, "a"]', '[1, "a", 2]', '["a"]', '["1"]'),
    *("[null]", "[256]", "[-1]", "[[1]]", '[{"id": "r", "cents": 1}, null]', '[{"id": "r"}]'),
    *("{}", '{"a": 1}', '{"a": 1.0}', '{"a": 1.5}', '{"a": "1"}', '{"a": "x"}', '{"a": null}'),
    *('{"a": " "}', '{"a": " x "}', '{"a": "YWJj"}', '{"a": "YW?"}', '{"a": 1, "zz": 2}'),
    *('{"a": 1, "at": "2026-01-02T03:04:05Z"}', '{"a": 1, "at": 5}', '{"A": 1}', '{"x": 1}'),
    *('{"y": 1}', '{"y": "q"}', '{"z": {"a": 1}}', '{"z": [1]}', '{"z": []}', '{"z": 1}'),
    *('{"1": 1}', '{"1": "a"}', '{"01": "a"}', '{"1.5": "a"}', '{"true": "a"}', '{"yes": 1}'),
    *('{"abc": "a"}', '{"3": 1}', f'{{"{_UUID}": 1}}', '{"2026-01-02T03:04:05Z": 1}'),
    *('{"id": "r", "cents": 1}', '{"id": "r", "cents": 1, "note": 2}', '{"id": "r"}'),
    *('{"id": 1}', '{"id": 1, "note": "n"}', '{"id": 1, "note": null}', '{"id": "1"}'),
    *('{"receipt": {"id": "r", "cents": 1}}', '{"receipt": {"id": "r"}}'),
    '{"receipt": {"id": "r", "cents": 1}, "lines": [{"id": "q", "cents": "x"}]}',
    *('{"n": 1, "next": {"n": 2, "next": null}}', '{"n": 1, "next": {"m": 2}}'),
    *('{"day": null}', '{"day": "2026-01-02"}', '{"left": 1, "right": "a"}'),
    *(f'{{{_INVOICE}, "total": "1.10"}}', f'{{{_INVOICE}, "total": 1.1, "due": null}}'),
    *(f'{{{_INVOICE}, "total": "-1"}}', f'{{{_INVOICE}, "total": "1.105"}}'),
    *(f'{{{_INVOICE}, "total": 1, "due": "2026-02-30"}}', f"{{{_INVOICE}}}"),
    *('{"pet": {"kind": "cat"}}', '{"pet": {}}', '{"pet": {"kind": "dog"}}'),
    *('{"pet": {"kind": "dog", "age": 1}}', '{"pet": {"kind": "cow"}}', '{"pet": {"age": 1}}'),
    *('{"v": 1, "kids": [{"v": 2}, {"kids": []}], "up": null}', '{"kids": [{"v": "x"}]}'),
    *('{"up": {"up": {"v": "q"}}}', '{"v": "1"}'),
    *('"2026-01-02T03:04:05Z"', '"2026-01-02T03:04:05+01:00"', '"2026-01-02T03:04:05"'),
    *('"2026-01-02 03:04:05"', '"2026-01-02T03:04"', '"2026-01-02"', '"20260102T030405"'),
    *('"20260102"', '"2026-W01-1"', '"2026-01-02T03:04:05.123456789Z"', '"9999-01-01"'),
    *('"2016-12-31T23:59:60Z"', '"2026-13-01T00:00:00Z"', '"2026-01-02t03:04:05z"'),
    *('"2026-01-02T03:04:05,5Z"', '"2026-01-02T24:00:00Z"', '"0000-01-01T00:00:00Z"'),
    *('"1700000000"', '"03:04:05"', '"PT5M"', '"P1D"', '"1 day, 00:00:00"', '"5:00"'),
    *(f'"{_UUID}"', f'"{_UUID.replace("-", "")}"', f'"{{{_UUID}}}"', f'"urn:uuid:{_UUID}"'),
    *('"12345678-1234-5678-1234-567812345678"', '"12345678-1234-5678-1234-56781234567Z"'),
    *('"http://example.com/"', '"http://"', '"postgres://u:p@h/db"', '"127.0.0.1"', '"::/96"'),
    *('"YWJj"', '"@@"', '"{\\"a\\": 1}"', '"{"'),
]
