"""Compile result schemas, and check results against them."""

import logging
import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from ipaddress import (
    IPv4Interface,
    IPv4Network,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Any, Final
from uuid import UUID

from jsonschema_rs import (
    Draft202012Validator,
    ReferencingError,
    RegexOptions,
    Registry,
    ValidationError,
    ValidationErrorKind,
)
from pydantic import Base64Bytes, TypeAdapter
from pydantic_core import from_json

from ringback.domain.errors import Problem
from ringback.domain.exact_json import escape_step, resolve
from ringback.result_schema.explain import Explainer, cut

PATTERN_WEIGHT: Final = 500
"""Weight of a pattern; it is compiled once, which may take 10 ms."""

_ELSEWHERE: Final = frozenset({"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef"})
"""Keywords whose references are not followed here."""


def estimate_cost(schema: Any) -> float:
    """Return the number of parts in `schema`, with each reference replaced by its target.

    This cost times the size of a result bounds the time of its check. It is infinite if the schema
    refers to itself: the time may then grow exponentially with the nesting of a result.
    """
    try:
        return _Weighing(schema).weigh(schema, is_root=True)
    except RecursionError:
        # A long chain of references.
        return math.inf


class _Weighing:
    def __init__(self, root: Any) -> None:
        self._root = root
        # Infinite while the target is being weighed: it would contain itself.
        self._targets: dict[str, float] = {}

    def weigh(self, part: Any, *, is_root: bool = False) -> float:
        if isinstance(part, list):
            return 1 + sum(self.weigh(item) for item in part)
        if not isinstance(part, dict):
            return 1
        if not _ELSEWHERE.isdisjoint(part) and not (
            is_root and part.keys() & _ELSEWHERE == {"$id"}
        ):
            return math.inf
        weight = 1 + sum(self.weigh(value) for value in part.values())
        if "$ref" in part:
            weight += self._weigh_target(part["$ref"])
        patterns = part.get("patternProperties")
        count = ("pattern" in part) + (len(patterns) if isinstance(patterns, dict) else 0)
        return weight + count * PATTERN_WEIGHT

    def _weigh_target(self, reference: Any) -> float:
        if not isinstance(reference, str):
            return 1
        if reference not in self._targets:
            self._targets[reference] = math.inf
            target = resolve(self._root, reference)
            if target is not None:
                self._targets[reference] = self.weigh(target)
        return self._targets[reference]


PATTERNS: Final = RegexOptions(size_limit=1024 * 1024)
"""An engine without backtracking: the time of a match is linear in the text."""

_COMPILED: Final = 256
"""Maximum number of compiled schemas in the cache; each activity type has one."""

_NO_SCHEMA: Final = "it is not a JSON Schema (2020-12), or it refers to another document"
_NO_PATTERN: Final = (
    "a pattern is not a regular expression that can be checked in linear time: it must not contain"
    " look-around ((?=…), (?!…), (?<=…), (?<!…)) or back-references (\\1), and must stay below"
    " 1 MiB when it is compiled"
)

_LONGEST_PLACE: Final = 200

_BASE: Final = "urn:ringback:result"

_logger = logging.getLogger(__name__)

_DATE: Final = r"\d{4}-\d\d-\d\d"
_TIME: Final = r"[0-2]\d:\d\d:\d\d(\.\d+)?"
_OFFSET: Final = r"(Z|[+-]\d\d:\d\d)"
_BASE64: Final = "[A-Za-z0-9+/_-]*={0,2}"
_UUID: Final = (
    "[0-9a-fA-F]{{8}}-[0-9a-fA-F]{{4}}-{}[0-9a-fA-F]{{3}}-[89abAB][0-9a-fA-F]{{3}}-.{{12}}"
)


def _format(read: Callable[[str], object], pattern: str = ".*") -> Callable[[str], bool]:
    """Return a check that a text matches `pattern` and that `read` accepts it."""
    compiled = re.compile(pattern, re.ASCII | re.DOTALL)

    def check(text: str) -> bool:
        try:
            return compiled.fullmatch(text) is not None and read(text) is not None
        except (ValueError, OverflowError):
            return False

    return check


FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "date": _format(date.fromisoformat, _DATE),
    "date-time": _format(datetime.fromisoformat, f"{_DATE}[T ]{_TIME}{_OFFSET}"),
    "date-time-local": _format(datetime.fromisoformat, f"{_DATE}[T ]{_TIME}"),
    "time": _format(time.fromisoformat, _TIME + _OFFSET),
    "time-local": _format(time.fromisoformat, _TIME),
    "duration": _format(TypeAdapter(timedelta).validate_python, "[+-]?P.+"),
    "base64": _format(TypeAdapter(Base64Bytes).validate_python, _BASE64),
    "base64url": _format(TypeAdapter(Base64Bytes).validate_python, _BASE64),
    "ipv4network": _format(IPv4Network),
    "ipv6network": _format(IPv6Network),
    "ipv4interface": _format(IPv4Interface),
    "ipv6interface": _format(IPv6Interface),
    "ipvanyaddress": _format(ip_address),
    "ipvanynetwork": _format(ip_network),
    "ipvanyinterface": _format(ip_interface),
    **{f"uuid{version}": _format(UUID, _UUID.format(version)) for version in range(1, 9)},
}
"""Checks of formats that jsonschema-rs does not know, or reads more widely than Python."""


class Compiled:
    """A compiled result schema."""

    def __init__(self, schema: str) -> None:
        """Compile `schema`.

        Raises:
            ValueError: It is not a JSON Schema, or a pattern in it is not supported.
            ReferencingError: It refers to another document.
        """
        self._schema: Any = from_json(schema)
        self._validator = _validator(schema)
        self._explainer: Explainer | None = None

    def problems(self, value: Any) -> list[Problem]:
        """Return at most `MOST_PROBLEMS` problems of `value`; none if it is valid."""
        if self._validator.is_valid(value):
            return []
        if self._explainer is None:
            self._explainer = _explainer(self._schema)
        return self._explainer.explain(value)


@lru_cache(maxsize=_COMPILED)
def cached_cost(schema: str) -> float:
    """Return the cost of the text `schema`; see `estimate_cost`."""
    try:
        return estimate_cost(from_json(schema))
    except ValueError:
        return 1


def find_problems(schema: str, result: bytes | None) -> Sequence[Problem]:
    """Return the problems of `result`; none if it meets `schema` or `schema` is unusable."""
    try:
        value = from_json(b"null" if result is None else result, allow_inf_nan=False)
    except ValueError as exc:
        return [Problem("", cut(f"it is not JSON: {exc}"))]
    compiled = _compiled(schema)
    return [] if compiled is None else compiled.problems(value)


@lru_cache(maxsize=_COMPILED)
def _compiled(schema: str) -> Compiled | None:
    try:
        return Compiled(schema)
    except (ValueError, ReferencingError):
        # A bug here, or a schema of another version, must not reject every answer.
        _logger.exception("results are not checked: their schema is unusable")
        return None


def _validator(schema: Any, registry: Registry | None = None) -> Draft202012Validator:
    return Draft202012Validator(
        schema,
        mask="it",
        offline=True,
        formats=FORMATS,
        validate_formats=True,
        pattern_options=PATTERNS,
        registry=registry,
    )


def _explainer(schema: Any) -> Explainer:
    base = schema.get("$id", _BASE) if isinstance(schema, dict) else _BASE
    registry = Registry([(base, schema)])

    def any_of(pointers: list[str]) -> Draft202012Validator:
        return _validator({"anyOf": [{"$ref": f"{base}#{one}"} for one in pointers]}, registry)

    return Explainer(schema, _validator, any_of)


def why_unusable(schema: str) -> str | None:
    """Return why results cannot be checked against the text `schema`; `None` if they can."""
    try:
        Compiled(schema)
    except ValidationError as exc:
        return _NO_PATTERN if _is_about_pattern(exc) else f"{_NO_SCHEMA}{_place_of(exc)}"
    except (ValueError, ReferencingError):
        return _NO_SCHEMA
    return None


def _place_of(error: ValidationError) -> str:
    """Return where a schema is wrong; nothing for a reference, which is wrong anywhere."""
    pointer = "".join(f"/{escape_step(one)}" for one in error.instance_path)
    return f"; look at {pointer[:_LONGEST_PLACE]}" if pointer else ""


def _is_about_pattern(error: ValidationError) -> bool:
    return isinstance(error.kind, ValidationErrorKind.Format) and error.kind.format == "regex"
