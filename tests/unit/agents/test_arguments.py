"""The form of a call's arguments accepts what the tool can take, and nothing else."""

import json
from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel

from ringback.agents.arguments import to_form
from ringback.domain.errors import Problem
from ringback.gateway.pages.form_model import Control, Group
from ringback.gateway.pages.form_schema import to_form as to_page
from ringback.gateway.pages.form_values import initial_values, is_filled_in, read_form
from ringback.result_schema.checker import SchemaChecker

ARGUMENTS = {"order": "o1", "euros": 50}


class Line(BaseModel):
    sku: str
    count: int = 1


class Order(BaseModel):
    order: str
    euros: int
    lines: list[Line] = []
    note: Line | None = None


class Flight(BaseModel):
    when: datetime
    back: datetime | None = None
    format: str = "date-time"


FLAT = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "euros": {"type": "integer"}},
    "required": ["order", "euros"],
}


def made(schema: dict[str, Any]) -> dict[str, Any]:
    form = to_form(schema, ARGUMENTS)
    assert form is not None
    return form


@pytest.mark.parametrize(
    ("schema", "edit", "is_valid"),
    [
        (FLAT, {**ARGUMENTS, "euros": 20}, True),
        (FLAT, {**ARGUMENTS, "euros": "many"}, False),
        (FLAT, {**ARGUMENTS, "to": "me"}, False),
        (FLAT, {"order": "o1"}, False),
        ({**FLAT, "additionalProperties": {"type": "string"}}, {**ARGUMENTS, "to": "me"}, True),
        ({**FLAT, "additionalProperties": {"type": "string"}}, {**ARGUMENTS, "to": 5}, False),
        (
            {**FLAT, "allOf": [{"properties": {"to": {"type": "string"}}}]},
            {**ARGUMENTS, "to": "me"},
            True,
        ),
        (
            {**FLAT, "allOf": [{"properties": {"to": {"type": "string"}}}]},
            {**ARGUMENTS, "from": "me"},
            False,
        ),
        (Order.model_json_schema(), {**ARGUMENTS, "lines": [{"sku": "a"}]}, True),
        (Order.model_json_schema(), {**ARGUMENTS, "lines": [{"sku": "a", "x": 1}]}, False),
        (Order.model_json_schema(), {**ARGUMENTS, "note": {"sku": "a", "x": 1}}, False),
        (Order.model_json_schema(), {**ARGUMENTS, "note": None}, True),
    ],
)
async def test_form_accepts_only_what_the_tool_can_take(
    schema: dict[str, Any], edit: dict[str, Any], *, is_valid: bool
) -> None:
    checker = SchemaChecker()
    problems = await checker.problems(json.dumps(made(schema)), json.dumps(edit).encode())

    assert (not problems) is is_valid


@pytest.mark.parametrize("at", ["2026-12-24T10:00:00", "2026-12-24T10:00:00+01:00"])
@pytest.mark.parametrize("place", ["when", "back"])
async def test_time_needs_no_offset(at: str, place: str) -> None:
    form = to_form(Flight.model_json_schema(), {"when": "2026-12-24T10:00:00"})
    edit = {"when": "2026-12-24T10:00:00", "format": "date-time", place: at}

    problems = await SchemaChecker().problems(json.dumps(form), json.dumps(edit).encode())
    wrong = json.dumps({**edit, place: "tomorrow"}).encode()

    assert problems == []
    assert await SchemaChecker().problems(json.dumps(form), wrong) == [
        Problem(f"/{place}", 'it is not a "date-time", such as 2026-11-30T10:00:00Z')
    ]


async def test_page_has_a_control_for_times() -> None:
    form = to_page(to_form(Flight.model_json_schema(), {"when": "2026-12-24T10:00:00"}))

    assert isinstance(form.root, Group)
    controls = [getattr(one, "control", None) for one in form.root.members.values()]
    assert controls[:2] == [Control.LOCAL_DATE_TIME, Control.DATE_TIME]


STRICT = {
    "type": "object",
    "properties": {
        "who": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "card": {"type": ["string", "null"]}},
            "required": ["name", "card"],
        },
        "seat": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "bags": {"type": "integer", "default": 0},
    },
    "required": ["who", "seat", "bags"],
}


async def test_what_a_call_left_out_of_a_strict_schema_stays_absent_beside_an_edit() -> None:
    form = to_form(STRICT, {"who": {"name": "Ada"}})
    page = to_page(form)
    shown = [(name, text) for name, texts in initial_values(page).typed.items() for text in texts]

    same = read_form(page, shown)
    edited = read_form(page, [*((n, t) for n, t in shown if t != "Ada"), ("form/who/name", "Bob")])

    assert not is_filled_in(page, same)
    assert json.loads(same.body or b"") == {"who": {"name": "Ada"}}
    assert json.loads(edited.body or b"") == {"who": {"name": "Bob"}}
    assert await SchemaChecker().problems(json.dumps(form), edited.body or b"") == []
    assert await SchemaChecker().problems(json.dumps(form), b'{"seat": null}') != []


def test_page_shows_the_arguments_prefilled() -> None:
    values = initial_values(to_page(made(Order.model_json_schema())))

    assert values.typed["form/order"] == ["o1"]
    assert values.typed["form/euros"] == ["50"]


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "properties": {}}])
def test_tool_without_arguments_has_no_form(schema: dict[str, Any]) -> None:
    assert to_form(schema, {}) is None


@pytest.mark.parametrize("default", [float("inf"), object()], ids=["infinite", "object"])
def test_tool_whose_schema_cannot_be_sent_as_json_has_no_form(default: object) -> None:
    assert to_form({"properties": {"euros": {"default": default}}}, ARGUMENTS) is None


def test_schema_of_the_tool_stays_unchanged() -> None:
    schema = Order.model_json_schema()
    made(schema)

    assert schema == Order.model_json_schema()


@pytest.mark.parametrize("levels", [300, 480, 900])
def test_schema_that_is_nested_too_deeply_makes_no_form(levels: int) -> None:
    schema: dict[str, Any] = FLAT
    for _ in range(levels):
        schema = {"properties": {"a": schema}}

    assert to_form(schema, ARGUMENTS) is None
