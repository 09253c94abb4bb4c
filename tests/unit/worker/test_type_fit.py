"""Which annotation accepts which type."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NoReturn,
    NotRequired,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
    Union,
    runtime_checkable,
)

import pytest
from typing_extensions import TypeAliasType

from ringback.worker.activity_function import is_held_by

T = TypeVar("T")


class Base:
    """The base of decisions."""


@dataclass
class Decision(Base):
    """A result."""

    approved: bool


@dataclass
class SameFields:
    """Another class with the same JSON."""

    approved: bool


class Page(Generic[T]):
    """A generic result."""


class Numbers(Page[int]):
    """A result that is not generic."""


class Color(enum.StrEnum):
    """An enum of texts."""

    RED = "red"


class Pair(NamedTuple):
    """A named tuple."""

    left: int


class Paid(TypedDict):
    """A typed dictionary."""

    euros: int


class PaidOrNot(TypedDict):
    """A typed dictionary with more keys."""

    euros: int
    note: NotRequired[str]


class Refunded(TypedDict):
    """A typed dictionary with other keys."""

    refund: int


class Unresolved(TypedDict):
    """A typed dictionary with a type that cannot be found."""

    euros: "Missing"  # type: ignore[name-defined]  # noqa: F821 - on purpose


class HasFields(Protocol):
    """A protocol that cannot be checked at run time."""

    approved: bool


@runtime_checkable
class Closes(Protocol):
    """A protocol that can be checked at run time."""

    def close(self) -> None: ...


OrderId = NewType("OrderId", str)
Alias = TypeAliasType("Alias", dict[str, int])

HELD: list[tuple[object, object]] = [
    (Decision, Decision),
    (Base, Decision),
    (object, Decision),
    (Any, Decision),
    (T, Decision),
    (NoReturn, Decision),
    (Decision, Any),
    (None, type(None)),
    (Decision | None, Decision),
    (Optional[Decision], Decision),  # noqa: UP045 - the old spelling
    (Union[str, Decision], Decision),  # noqa: UP007 - the old spelling
    (Decision | str | None, str | Decision),
    (Annotated[Decision, "words"], Decision),
    (Decision, Annotated[Decision, "words"]),
    (list[Annotated[int, "words"]], list[int]),
    (str, OrderId),
    (OrderId, str),
    (Alias, dict[str, int]),
    (str, Color),
    (int, bool),
    (float, int),
    (float, bool),
    (complex, float),
    (list[float], list[int]),
    (str, Literal["yes", "no"]),
    (Literal["yes", "no"], Literal["yes"]),
    (Literal["yes"] | int, Literal["yes", 2]),
    (Color | int, Literal[Color.RED, 1]),
    (list, list[int]),
    (list[int], list),
    (list[int], list[Any]),
    (Sequence[int], list[int]),
    (Iterable[int], dict[int, str]),
    (Mapping[str, object], dict[str, int]),
    (tuple[int, ...], tuple[int, int]),
    (tuple[int], Pair),
    (Page[int], Page[int]),
    (Page, Page[int]),
    (Page[int], Numbers),
    (dict, Paid),
    (dict[str, Any], Paid),
    (Mapping[str, Any], Paid),
    (Paid, PaidOrNot),
    (PaidOrNot, Paid),
    (Unresolved, Paid),
    (HasFields, SameFields),
    (Closes, Closes),
]

NOT_HELD: list[tuple[object, object]] = [
    (Decision, dict),
    (Decision, dict[str, Any]),
    (Decision, bool),
    (Decision, Base),
    (Decision, SameFields),
    (Decision, object),
    (Decision, None),
    (Decision, Decision | None),
    (None, Decision),
    (str, Decision),
    (str, bytes),
    (bool, int),
    (int, float),
    (Color, str),
    (Literal["yes"], str),
    (Literal["yes"], Literal["yes", "no"]),
    (int, Literal["yes"]),
    (int | str, Decision),
    (int | None, int | str),
    (list[int], list[str]),
    (list[Decision], list[dict[str, Any]]),
    (list[int], dict[str, int]),
    (dict[str, int], dict[str, str]),
    (Mapping[str, int], dict[str, str]),
    (Page[int], Page[str]),
    (Paid, dict),
    (Paid, dict[str, Any]),
    (Paid, Refunded),
    (Paid, Decision),
    (list, Paid),
    (Closes, Decision),
    (Alias, list[int]),
    (OrderId, int),
]


@pytest.mark.parametrize(("annotation", "wanted"), HELD, ids=str)
def test_type_that_may_be_returned_is_accepted(annotation: object, wanted: object) -> None:
    assert is_held_by(annotation, wanted)


@pytest.mark.parametrize(("annotation", "wanted"), NOT_HELD, ids=str)
def test_type_that_must_not_be_returned_is_rejected(annotation: object, wanted: object) -> None:
    assert not is_held_by(annotation, wanted)
