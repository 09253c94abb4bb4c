"""Checks stay within limits of time, memory and reply size, whatever the schema and result."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union

import psutil
import pytest
from pydantic import BaseModel, ConfigDict, Field
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter

from ringback.domain.errors import Problem
from ringback.result_schema.checker import TOO_LONG, SchemaChecker
from ringback.result_schema.explain import MOST_PROBLEMS, SOMEWHERE
from ringback.result_schema.generate import generate_schema
from tests.pace import units_of

SOON = 100
"""Units of work; an endless check takes more than 500 before its limit ends it."""

MANY_TURNS = 1000


class Add(BaseModel):
    left: "Expr"
    right: "Expr"


class Mul(BaseModel):
    left: "Expr"
    right: "Expr"


Expr = Union[int, Add, Mul]  # noqa: UP007 - it names itself


@dataclass
class Plus:
    left: "Term"
    right: "Term"


@dataclass
class Times:
    left: "Term"
    right: "Term"


Term = Union[int, Plus, Times]  # noqa: UP007 - it names itself


class Many(BaseModel):
    items: "list[int | Many | More]"


class More(BaseModel):
    items: "list[int | Many | More]"


def binary(levels: int) -> bytes:
    return b'{"right":1,"left":' * levels + b'"x"' + b"}" * levels


def listed(levels: int) -> bytes:
    return b'{"items":[1,' * levels + b'"x"' + b"]}" * levels


REF = {"$ref": "#/$defs/e"}
HOLDS = {"type": "object", "properties": {"left": REF}}
BRANCHES = {
    "anyOf": {"anyOf": [{"type": "integer"}, HOLDS, HOLDS]},
    "oneOf": {"oneOf": [{"type": "integer"}, HOLDS, HOLDS]},
    "allOf": {"type": ["object", "integer"], "allOf": [{"properties": {"left": REF}}] * 2},
    "not": {"type": ["object", "integer"], "not": {"properties": {"left": {"not": REF}}}},
    "patterns": {
        "anyOf": [
            {"type": "integer"},
            *([{"type": "object", "patternProperties": {"^l": REF}}] * 2),
        ]
    },
    "additional": {
        "anyOf": [{"type": "integer"}, *([{"type": "object", "additionalProperties": REF}] * 2)]
    },
    "unevaluated": {
        "anyOf": [{"type": "integer"}, *([{"type": "object", "unevaluatedProperties": REF}] * 2)]
    },
    "if": {
        "type": ["object", "integer"],
        "if": {"properties": {"left": REF}},
        "then": {"properties": {"left": REF}},
        "else": {"properties": {"left": REF}, "required": ["none"]},
    },
}
FOREIGN = {name: {"$defs": {"e": said}, **REF} for name, said in BRANCHES.items()} | {
    "dynamic": {
        "$id": "urn:example",
        "$dynamicAnchor": "e",
        "anyOf": [
            {"type": "integer"},
            *([{"type": "object", "properties": {"left": {"$dynamicRef": "#e"}}}] * 2),
        ],
    }
}


def twice(word: str, length: int) -> dict[str, Any]:
    """Return definitions that each refer to the next one twice."""
    chain = {f"d{n}": {word: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(length)}
    return {"$defs": {**chain, f"d{length}": {"type": "integer"}}, "$ref": "#/$defs/d0"}


def circle(length: int) -> dict[str, Any]:
    """Return the same, with a last definition that refers to the first for its members."""
    made = twice("anyOf", length)
    made["$defs"][f"d{length}"] = {"type": "object", "properties": {"left": {"$ref": "#/$defs/d0"}}}
    return made


@pytest.fixture(scope="module")
def checker() -> SchemaChecker:
    return SchemaChecker()


async def checked(
    checker: SchemaChecker, schema: str, result: bytes
) -> tuple[Sequence[Problem], float]:
    """Return the problems and the duration of the check in units of work."""
    await checker.problems(schema, b'"warm"')
    units = await units_of(lambda: checker.problems(schema, result))
    return await checker.problems(schema, result), units


@pytest.mark.parametrize(
    ("kind", "converter", "nested", "end"),
    [
        (Expr, pydantic_data_converter, binary, "/left"),
        (Term, pydantic_data_converter, binary, "/left"),
        (Term, DataConverter.default, binary, "/left"),
        (Many, pydantic_data_converter, listed, "/items/1"),
    ],
)
async def test_recursive_union_at_depth_64_is_explained_quickly(
    checker: SchemaChecker,
    kind: Any,
    converter: DataConverter,
    nested: Callable[[int], bytes],
    end: str,
) -> None:
    schema = generate_schema(kind, converter) or ""

    for levels in (3, 64):
        (problem, *_), units = await checked(checker, schema, nested(levels))

        # The budget may end before the exact place is found.
        said = {"it is not of type integer or object"}
        assert f"{end * levels}".startswith(problem.path.rstrip("…"))
        assert problem.path.count(end) >= min(levels, 5)
        assert problem.message in (said if levels == 3 else {*said, SOMEWHERE})
    assert units < SOON


@pytest.mark.parametrize("name", FOREIGN)
async def test_recursive_schema_of_every_shape_is_explained_quickly(
    checker: SchemaChecker, name: str
) -> None:
    found, units = await checked(checker, json.dumps(FOREIGN[name]), binary(64))

    assert 1 <= len(found) <= MOST_PROBLEMS
    assert found != [TOO_LONG]
    assert units < SOON


@pytest.mark.parametrize(
    "schema", [twice("allOf", 40), twice("anyOf", 40), twice("oneOf", 40), circle(24)]
)
async def test_endless_check_is_ended_and_blocks_nothing(
    checker: SchemaChecker, schema: dict[str, Any]
) -> None:
    result = b"1" if "allOf" in schema["$defs"]["d0"] else binary(8)
    turns = 0
    async with asyncio.TaskGroup() as group:
        checking = group.create_task(checker.problems(json.dumps(schema), result))
        while not checking.done():
            await asyncio.sleep(0)
            turns += 1

    assert await checking == [TOO_LONG]
    # A check in this loop would allow only a few turns.
    assert turns > MANY_TURNS
    # The next check has a new process.
    assert await checker.problems(json.dumps(FOREIGN["anyOf"]), b"1") == []


async def test_memory_of_a_check_is_limited(checker: SchemaChecker) -> None:
    schema = json.dumps({"items": {"enum": [[]] * 10}})

    found = await checker.problems(schema, b"[" + b"[]," * 20_000_000 + b"[]]")

    assert found == [TOO_LONG]


@pytest.mark.parametrize(
    "pattern", ["(?=a)b", "(?!a)b", "(?<=a)b", "(?<!a)b", r"(a)\1", "a{1000}{1000}", "("]
)
async def test_schema_with_unsupported_pattern_is_rejected_with_what_to_avoid(
    checker: SchemaChecker, pattern: str
) -> None:
    said: dict[str, Any]
    for said in ({"pattern": pattern}, {"patternProperties": {pattern: {}}}):
        why = await checker.why_unusable(json.dumps(said))

        assert why is not None
        assert "back-references" in why


async def test_schema_with_nested_repetition_is_checked_in_linear_time(
    checker: SchemaChecker,
) -> None:
    schema = json.dumps({"pattern": "^(a+)+$"})

    assert await checker.why_unusable(schema) is None
    found, units = await checked(checker, schema, json.dumps("a" * 10_000 + "b").encode())

    assert [one.message for one in found] == ['it does not match "^(a+)+$"']
    assert units < SOON


async def test_known_schema_is_usable_without_another_check() -> None:
    checker, before = SchemaChecker(), psutil.Process().children()
    first = await checker.why_unusable('{"type": "object"}')
    (process,) = [one for one in psutil.Process().children() if one not in before]
    # It ends with the checker; a check by it would fail.
    process.suspend()

    second = await checker.why_unusable('{"type": "object"}')

    assert (first, second) == (None, None)


class Repeated(BaseModel):
    model_config = ConfigDict(regex_engine="python-re")

    text: str = Field(pattern="^(a+)+$")
    compiled: Annotated[str, Field(pattern=re.compile("^(a+)+$"))]


async def test_python_pattern_is_checked_without_backtracking(checker: SchemaChecker) -> None:
    schema = generate_schema(Repeated, pydantic_data_converter) or ""
    result = json.dumps(dict.fromkeys(["text", "compiled"], "a" * 10_000 + "b")).encode()

    found, units = await checked(checker, schema, result)

    assert [one.path for one in found] == ["/text", "/compiled"]
    assert units < SOON


async def test_schema_that_takes_too_long_to_compile_is_rejected(checker: SchemaChecker) -> None:
    schema = json.dumps({"allOf": [{"pattern": f"\\p{{L}}{{1,20}}{n}"} for n in range(2500)]})

    why = await checker.why_unusable(schema)

    assert why is not None
    assert "too long" in why
