"""Compile result schemas, and check results against them."""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from jsonschema_rs import (
    Draft202012Validator,
    ReferencingError,
    RegexOptions,
    Registry,
    ValidationError,
    ValidationErrorKind,
)
from pydantic_core import from_json

from ringback.domain.errors import Problem
from ringback.result_schema.cost import estimate_cost
from ringback.result_schema.explain import Explainer, cut
from ringback.result_schema.formats import FORMATS

PATTERNS: Final = RegexOptions(size_limit=1024 * 1024)
"""An engine without backtracking: the time of a match is linear in the text."""

_COMPILED: Final = 256
"""Maximum schemas that are cached compiled; each activity type has one."""

_NO_SCHEMA: Final = "it is no JSON Schema (2020-12), or it refers to one that is elsewhere"
_NO_PATTERN: Final = (
    "a pattern is not a regular expression that can be checked in linear time: it must not contain"
    " look-around ((?=…), (?!…), (?<=…), (?<!…)) or back-references (\\1), and must stay below"
    " 1 MiB when it is compiled"
)

_BASE: Final = "urn:ringback:result"

_logger = logging.getLogger(__name__)


class Compiled:
    """A result schema, ready to check results."""

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
        """Return what is wrong with `value`, at most `MOST_PROBLEMS`; nothing if it is valid."""
        if self._validator.is_valid(value):
            return []
        if self._explainer is None:
            self._explainer = _explainer(self._schema)
        return self._explainer.explain(value)


@lru_cache(maxsize=_COMPILED)
def cached_cost(schema: str) -> float:
    """Return how heavy `schema` is; see `estimate_cost`."""
    try:
        return estimate_cost(from_json(schema))
    except ValueError:
        return 1


def find_problems(schema: str, result: bytes | None) -> Sequence[Problem]:
    """Return what is wrong with `result`; nothing if it meets `schema`, or `schema` is unusable."""
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
        # A mistake here, or a schema of another version, must not reject everybody's answer.
        _logger.exception("a result schema cannot be used, so results are not checked")
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
        return _NO_PATTERN if _is_about_pattern(exc) else _NO_SCHEMA
    except (ValueError, ReferencingError):
        return _NO_SCHEMA
    return None


def _is_about_pattern(error: ValidationError) -> bool:
    return isinstance(error.kind, ValidationErrorKind.Format) and error.kind.format == "regex"
