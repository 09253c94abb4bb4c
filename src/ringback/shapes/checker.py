"""Checks results against JSON Schemas, without ever leaving this machine."""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import Any, Final

from jsonschema_rs import (
    Draft202012Validator,
    ReferencingError,
    ValidationError,
    ValidationErrorKind,
)
from pydantic_core import from_json

from ringback.domain.errors import Problem
from ringback.shapes.formats import FORMATS, IN_WORDS
from ringback.shapes.keyword import ReadByPydantic
from ringback.shapes.pydantic_json import PYDANTIC

MOST_PROBLEMS: Final = 20
LONGEST_TEXT: Final = 200

_COMPILED: Final = 256
"""How many schemas are kept compiled; each activity type has one."""

_ALL_IN: Final = 16 * 1024
"""Up to how many bytes every problem of a result is looked for: all are built, and each costs."""

_CHOICE: Final = re.compile('"(anyOf|oneOf)"')
"""Where there is a choice, what is wrong with every branch is built before anything is told."""

_IT: Final = "it"
_NOTHING_FITS: Final = "the worker could read nothing that stands here"
_SOMEWHERE: Final = Problem("", "it is not of the right shape; it is too long to say where")
_OTHERWISE: Final = frozenset({"type", "const", "enum"})

_logger = logging.getLogger(__name__)


class SchemaChecker:
    """`ResultChecker` by jsonschema-rs."""

    async def problems(self, schema: str, result: bytes | None) -> Sequence[Problem]:
        """See `ResultChecker.problems`."""
        return problems_in(schema, result)


def problems_in(schema: str, result: bytes | None) -> Sequence[Problem]:
    """Return what is wrong with `result`."""
    body = b"null" if result is None else result
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as exc:
        return [Problem("", _cut(f"it is not JSON: {exc}"))]
    validator = _compiled(schema)
    if validator is None or validator.is_valid(value):
        return []
    if len(body) <= _ALL_IN:
        return list(islice(_all_problems(validator, value), MOST_PROBLEMS))
    return [_SOMEWHERE if _CHOICE.search(schema) else _first_problem(validator, value)]


@lru_cache(maxsize=_COMPILED)
def _compiled(schema: str) -> Draft202012Validator | None:
    try:
        return Draft202012Validator(
            schema,
            mask=_IT,
            offline=True,
            formats=FORMATS,
            validate_formats=True,
            keywords={PYDANTIC: ReadByPydantic},
        )
    except (ValueError, ReferencingError):
        # It is a mistake of ours or of another version: no reason to refuse everybody's answer.
        _logger.exception("a result schema cannot be used, so results are not checked")
        return None


def _all_problems(validator: Draft202012Validator, value: Any) -> Iterator[Problem]:
    return chain.from_iterable(map(_told, validator.iter_errors(value)))


def _first_problem(validator: Draft202012Validator, value: Any) -> Problem:
    try:
        validator.validate(value)
    except ValidationError as exc:
        return next(_told(exc))
    return _SOMEWHERE


def _told(error: ValidationError) -> Iterator[Problem]:
    """Yield what is wrong; of a choice, what is wrong in the one that was plainly meant."""
    match error.kind:
        case ValidationErrorKind.AnyOf(context) | ValidationErrorKind.OneOfNotValid(context):
            meant = [branch for branch in context if not _is_otherwise(branch, error)]
            if len(meant) == 1:
                yield from chain.from_iterable(map(_told, meant[0]))
                return
            message = _of_no_type(chain.from_iterable(context), error) or error.message
        case ValidationErrorKind.PropertyNames(inner):
            message = f"one of its names: {inner.message}"
        case ValidationErrorKind.Format(form) if form in IN_WORDS:
            message = f"{_IT} is not {IN_WORDS[form]}"
        case ValidationErrorKind.Not() | ValidationErrorKind.FalseSchema():
            message = _NOTHING_FITS
        case _:
            message = error.message
    yield Problem(_pointer(error.instance_path), _cut(message))


def _is_otherwise(branch: Iterable[ValidationError], choice: ValidationError) -> bool:
    """Tell whether the value is meant as another one: it is of another type or has another tag."""
    depth = len(choice.instance_path)
    return any(
        inner.kind.name in _OTHERWISE
        and len(inner.instance_path) - depth <= (inner.kind.name != "type")
        for inner in branch
    )


def _of_no_type(errors: Iterable[ValidationError], choice: ValidationError) -> str | None:
    types: dict[str, None] = {}
    for error in errors:
        match error.kind:
            case ValidationErrorKind.Type(wanted) if error.instance_path == choice.instance_path:
                types |= dict.fromkeys(wanted)
            case _:
                return None
    return f"{_IT} is not of type {' or '.join(types)}"


def _pointer(path: Iterable[str | int]) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return _cut("".join(f"/{part}" for part in parts))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
