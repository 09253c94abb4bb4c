"""Forms are built from JSON Schema, and read back as the JSON that was meant."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.gateway.page import TEMPLATES
from ringback.gateway.pages.form_model import (
    Choice,
    Constant,
    Control,
    Field,
    Form,
    Group,
    Input,
    Rows,
    Union,
    to_shown,
)
from ringback.gateway.pages.form_schema import to_form
from ringback.gateway.pages.form_values import (
    FormValues,
    initial_values,
    is_filled_in,
    read_form,
)

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "forms.md"
ROWS_OF_PAGE = re.findall(r"^\| `(\{.*\})` \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
ORDER = {
    "type": "object",
    "required": ["sku", "count", "is_gift", "colour", "parts"],
    "additionalProperties": False,
    "properties": {
        "sku": {"type": "string", "minLength": 1},
        "count": {"type": "integer"},
        "is_gift": {"type": "boolean"},
        "colour": {"enum": ["red", "blue", None]},
        "note": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]},
        "parts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "minLength": 1}},
            },
        },
        "seller": {"type": "object", "properties": {"city": {"type": "string", "minLength": 1}}},
    },
}


def control_of(field: Field) -> str:
    """Return the words of the page for a field."""
    match field:
        case Input(control=control):
            return control.value
        case Choice(is_many=is_many):
            return "any of a list" if is_many else "one of a list"
        case Constant():
            return "nothing to enter"
        case Group():
            return "a group"
        case Rows():
            return "rows"
        case Union():
            return "one of several forms"
        case _:
            raise AssertionError(field)


def pairs_of(values: FormValues) -> list[tuple[str, str]]:
    """Return what a browser sends if nothing is changed."""
    return [(name, text) for name, texts in values.typed.items() for text in texts]


def sent(schema: Any, *pairs: tuple[str, str]) -> FormValues:
    """Read a form that was sent like this."""
    return read_form(to_form(schema), pairs)


def rendered(form: Form, values: FormValues, problems: Any = ()) -> str:
    """Return the form as HTML."""
    template = TEMPLATES.from_string(
        '{% from "form.html" import render_form %}{{ render_form(form, values, problems) }}'
    )
    return template.render(form=form, values=values, problems=problems)


@pytest.mark.parametrize(("schema", "control"), ROWS_OF_PAGE)
def test_schema_has_the_control_that_the_reference_names(schema: str, control: str) -> None:
    form = to_form(json.loads(schema))

    assert control_of(form.root) == control.strip()
    assert rendered(form, initial_values(form))


def test_reference_names_every_kind_of_control() -> None:
    named = {control.strip() for _, control in ROWS_OF_PAGE}

    zoneless = {Control.LOCAL_DATE_TIME, Control.LOCAL_TIME}
    assert {control.value for control in set(Control) - zoneless} <= named


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20
).filter(lambda text: text.strip() == text)


@given(
    st.fixed_dictionaries(
        {
            "sku": TEXTS,
            "count": st.integers(),
            "is_gift": st.booleans(),
            "colour": st.sampled_from(["red", "blue", None]),
            "note": st.none() | TEXTS,
            "parts": st.lists(st.fixed_dictionaries({"name": TEXTS}), max_size=5),
        },
        optional={"seller": st.fixed_dictionaries({"city": TEXTS})},
    )
)
def test_value_is_read_back_as_it_was_filled_in(order: dict[str, Any]) -> None:
    form = to_form(ORDER)

    read = read_form(form, pairs_of(initial_values(form, order)))

    assert read.problems == ()
    assert read.body is not None
    found = json.loads(read.body)
    assert {**found, "seller": order.get("seller")} == {**order, "seller": order.get("seller")}


def test_nothing_that_decides_is_chosen_in_advance() -> None:
    form = to_form(ORDER)

    html = rendered(form, initial_values(form))

    assert "checked" not in html
    assert " selected" not in html


def test_empty_form_names_what_is_missing() -> None:
    form = to_form(ORDER)

    read = read_form(form, pairs_of(initial_values(form)))

    assert read.body is None
    assert {"/is_gift", "/colour"} <= {problem.path for problem in read.problems}


@pytest.mark.parametrize("typed", ["1.50", "12345678901234567890", "-0.1", "1e3"])
def test_number_is_sent_as_it_was_typed(typed: str) -> None:
    assert sent({"type": "number"}, ("form", typed)).body == typed.encode()


def test_decimal_that_a_float_would_round_is_sent_as_text() -> None:
    decimal = {"anyOf": [{"type": "number"}, {"type": "string"}]}

    assert sent(decimal, ("form", "1.50")).body == b"1.50"
    assert sent(decimal, ("form", "12345678901234567890.5")).body == b'"12345678901234567890.5"'


@pytest.mark.parametrize("typed", ["1" + "0" * 200, "-" + "9" * 100, "3e200"])
def test_long_whole_number_is_read(typed: str) -> None:
    assert sent({"type": "integer"}, ("form", typed)).body == typed.encode()


@pytest.mark.parametrize("typed", ["", "abc", "1,5", "NaN", "Infinity", "1 2", "0x10", "--1"])
def test_text_that_is_not_a_number_is_a_problem(typed: str) -> None:
    read = sent({"type": "number"}, ("form", typed))

    assert read.body is None
    assert [problem.path for problem in read.problems] == [""]


def test_whole_number_rejects_a_fraction() -> None:
    assert sent({"type": "integer"}, ("form", "1.5")).body is None
    assert sent({"type": "integer"}, ("form", "15")).body == b"15"


def test_rows_are_added_and_removed_without_scripts() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    form = to_form(schema)
    typed = [("form~rows", "2"), ("form/0", "a"), ("form/1", "b")]

    added = read_form(form, [*typed, ("~add", "form")])
    removed = read_form(form, [*typed, ("~remove", "form/0")])

    assert (added.is_submitted, removed.is_submitted) == (False, False)
    assert dict(added.typed)["form~rows"] == ["3"]
    again = read_form(form, pairs_of(removed))
    assert again.body == b'["b"]'


@pytest.mark.parametrize("count", ["999999", "10000", "-1", "x", "", "1e9"])
def test_number_of_rows_that_was_forged_is_bounded(count: str) -> None:
    schema = {"type": "array", "items": {"type": "string"}}

    read = sent(schema, ("form~rows", count), ("form/0", "a"), ("form/999999", "b"))

    assert len(read.body or b"") < 10_000


def test_ten_thousand_items_are_shown_without_their_rows_running_away() -> None:
    form = to_form({"type": "array", "items": {"type": "string"}})

    html = rendered(form, initial_values(form, ["x"] * 10_000))

    assert html.count("<input") <= 1_000


def test_schema_that_refers_to_itself_is_a_json_field() -> None:
    schema = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "required": ["child"],
                "properties": {"child": {"$ref": "#/$defs/node"}},
            }
        },
    }

    form = to_form(schema)

    assert "textarea" in rendered(form, initial_values(form))


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "\"'><img src=x onerror=y>"])
def test_text_from_outside_is_escaped(hostile: str) -> None:
    schema = {
        "type": "object",
        "title": hostile,
        "description": hostile,
        "properties": {
            hostile: {"type": "string", "title": hostile, "description": hostile},
            "choice": {"enum": [hostile, "b"]},
            "any": {"title": hostile},
        },
    }
    form = to_form(schema)
    values = read_form(form, [(f"form/{hostile}", hostile), ("form/any", hostile)])

    html = rendered(form, values, values.problems)

    assert "<script" not in html
    assert "<img" not in html


def test_half_a_character_is_replaced() -> None:
    form = to_form({"type": "string", "title": "a\ud800b\x00"})

    assert rendered(form, initial_values(form, "\ud800")).encode("utf-8")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, "12.10"),
        ({"type": "string", "format": "date-time"}, "2026-11-30T10:00:00.5+05:30"),
        ({"type": "string", "format": "time"}, "10:00:00+05:30"),
        ({"type": "string"}, ""),
        ({"type": "string"}, "a\r\nb\rc\n"),
        ({"type": "string"}, "\0"),
        ({"type": "array", "items": {"type": "string"}}, ["x", "", "y"]),
        ({"type": "object", "properties": {"x": {"type": "string", "format": "time"}}}, {"x": ""}),
    ],
    ids=str,
)
def test_value_that_nobody_changed_stays_as_it_was(part: dict[str, Any], value: Any) -> None:
    default = {"part": value, "other": "x"}
    form = to_form({
        "type": "object",
        "properties": {"part": part, "other": {"type": "string"}},
        "required": ["part"],
        "default": default,
    })
    shown = [
        (name, to_shown(text).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n"))
        for name, text in pairs_of(initial_values(form))
    ]
    same = read_form(form, shown)
    edited = read_form(form, [(n, "y" if n == "form/other" else text) for n, text in shown])

    assert not is_filled_in(form, same)
    assert is_filled_in(form, edited)
    assert json.loads(same.body or b"") == default
    assert json.loads(edited.body or b"") == {**default, "other": "y"}


EITHER_NULL = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
AT = {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date-time-local"}]}
STOP = {
    "type": "object",
    "required": ["sku"],
    "properties": {
        "sku": {"type": "string"},
        "at": AT,
        "note": EITHER_NULL,
        "count": {"type": "integer", "default": 1},
    },
}
PAID = {"type": "object", "required": ["on"], "properties": {"on": AT, "by": EITHER_NULL}}
FLIGHT = {
    "type": "object",
    "required": ["passenger", "at", "text"],
    "additionalProperties": {"type": "integer"},
    "properties": {
        "passenger": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "card": EITHER_NULL},
        },
        "at": AT,
        "text": {"type": "string"},
        "bags": {"type": "integer", "default": 0},
        "window": {"type": "boolean", "default": True},
        "fare": {"anyOf": [{"type": "number"}, {"type": "string"}]},
        "seat": {"type": "object", "properties": {"row": {"type": "integer"}, "to": EITHER_NULL}},
        "meals": {"type": "array", "uniqueItems": True, "items": {"enum": ["a", "b"]}},
        "stops": {"type": "array", "items": STOP},
        "paid": {"oneOf": [PAID, {"type": "integer"}]},
        "edited": {"type": "string"},
    },
}
TIMES = st.builds(
    "{}{}".format,
    st.datetimes().map(lambda at: at.isoformat()),
    st.sampled_from(["", "Z", "+02:00", "-09:30"]),
)
STOPS = st.lists(
    st.fixed_dictionaries(
        {"sku": TEXTS},
        optional={"at": TIMES, "note": st.none() | TEXTS, "count": st.integers(0, 2)},
    ),
    max_size=4,
)
CALLS = st.fixed_dictionaries(
    {
        "passenger": st.fixed_dictionaries({"name": TEXTS}, optional={"card": st.none() | TEXTS}),
        "at": TIMES,
        "text": st.sampled_from(["", " two\nlines ", "one"]),
    },
    optional={
        "bags": st.integers(),
        "window": st.booleans(),
        "fare": st.sampled_from(["12.10", 12.5, "0.0"]),
        "seat": st.fixed_dictionaries({}, optional={"row": st.integers(), "to": st.none() | TEXTS}),
        "meals": st.permutations(["a", "b"]) | st.just([]),
        "stops": STOPS,
        "paid": st.integers()
        | st.fixed_dictionaries({"on": TIMES}, optional={"by": st.none() | TEXTS}),
        "unnamed": st.integers(),
    },
)


def submitted(form: Form, **changed: str) -> Any:
    """Return the JSON of a form in which only these controls were changed."""
    controls = {**initial_values(form).typed, **{name: [text] for name, text in changed.items()}}
    pairs = [
        (name, text.replace("\n", "\r\n")) for name, texts in controls.items() for text in texts
    ]
    read = read_form(form, pairs)
    assert read.problems == ()
    return json.loads(read.body or b"")


@given(CALLS)
def test_edit_changes_only_what_a_person_changed(call: dict[str, Any]) -> None:
    form = to_form({**FLIGHT, "default": call})

    assert submitted(form) == call
    assert submitted(form, **{"form/edited": "x"}) == {**call, "edited": "x"}
    passenger = {**call["passenger"], "name": "new"}
    assert submitted(form, **{"form/passenger/name": "new"}) == {**call, "passenger": passenger}


@given(CALLS, STOPS.filter(len), st.data())
def test_rows_beside_a_removed_one_keep_their_values(
    call: dict[str, Any], stops: list[Any], data: st.DataObject
) -> None:
    stops = [{**stop, "sku": f"{number}{stop['sku']}"} for number, stop in enumerate(stops)]
    form = to_form({**FLIGHT, "default": {**call, "stops": stops}})
    row = data.draw(st.integers(0, len(stops) - 1))
    (name,) = [name for name in initial_values(form).typed if name.endswith("~rows")]

    pressed = [*pairs_of(initial_values(form)), ("~remove", f"{name.removesuffix('~rows')}/{row}")]
    read = read_form(form, pairs_of(read_form(form, pressed)))

    assert read.problems == ()
    left = [stop for number, stop in enumerate(stops) if number != row]
    assert json.loads(read.body or b"") == {**call, "stops": left}


@given(CALLS, STOPS.filter(lambda stops: len(stops) > 1), st.data())
def test_rows_keep_their_values_when_one_is_removed_and_another_edited(
    call: dict[str, Any], stops: list[Any], data: st.DataObject
) -> None:
    form = to_form({**FLIGHT, "default": {**call, "stops": stops}})
    first, second = data.draw(st.permutations(range(len(stops))))[:2]
    (list_name,) = [name for name in initial_values(form).typed if name.endswith("~rows")]
    name = list_name.removesuffix("~rows")

    pressed = [*pairs_of(initial_values(form)), ("~remove", f"{name}/{first}")]
    edited = f"{name}/{second - (second > first)}/sku"
    shown = pairs_of(read_form(form, pressed))
    read = read_form(form, [(n, "edited" if n == edited else text) for n, text in shown])

    assert read.problems == ()
    changed = [{**stop, "sku": "edited"} if n == second else stop for n, stop in enumerate(stops)]
    left = [stop for number, stop in enumerate(changed) if number != first]
    assert json.loads(read.body or b"") == {**call, "stops": left}


@pytest.mark.parametrize("removed", [0, 1])
def test_items_that_look_alike_stay_what_they_are_when_another_is_removed(removed: int) -> None:
    times = ["2026-12-24T10:00:00", "2026-12-24T10:00:00Z", "2026-12-24T12:00:00+02:00"]
    form = to_form({"type": "array", "items": AT, "default": times})

    pressed = [*pairs_of(initial_values(form)), ("~remove", f"form/{removed}")]
    read = read_form(form, pairs_of(read_form(form, pressed)))

    left = [time for number, time in enumerate(times) if number != removed]
    assert json.loads(read.body or b"") == left


def test_row_that_was_added_in_place_of_a_removed_one_has_only_what_was_entered() -> None:
    stops = [{"sku": "a", "at": "2026-12-24T10:00:00+02:00"}, {"sku": "b"}]
    form = to_form({"type": "array", "items": STOP, "default": stops})

    removed = read_form(form, [*pairs_of(initial_values(form)), ("~remove", "form/0")])
    added = read_form(form, [*pairs_of(removed), ("~add", "form")])
    read = read_form(form, [*pairs_of(added), ("form/1/sku", "a"), ("form/1/count", "3")])

    assert json.loads(read.body or b"") == [{"sku": "b"}, {"sku": "a", "count": 3}]


@pytest.mark.parametrize("places", ["", "x -1 999999", "1 1", "7 0 1", "0"])
def test_places_of_rows_that_were_forged_lose_no_row(places: str) -> None:
    form = to_form({"type": "array", "items": {"type": "string"}, "default": ["a", "b"]})
    sent_pairs = {**dict(pairs_of(initial_values(form))), "form~was": places}

    read = read_form(form, sent_pairs.items())
    again = rendered(form, read_form(form, [*sent_pairs.items(), ("~refresh", "1")]))

    assert read.body == b'["a","b"]'
    assert 'name="form~was"' in again


@pytest.mark.parametrize("count", [1, 2, 3])
def test_rows_without_their_places_are_read_as_they_are_shown(count: int) -> None:
    times = ["2026-12-24T10:00:00Z", "2026-12-24T11:00:00"]
    form = to_form({"type": "array", "items": AT, "default": times})
    typed = [(f"form/{row}", f"2026-12-24T1{row}:00") for row in range(count)]

    read = read_form(form, [("form~rows", str(count)), *typed])

    as_shown = [f"2026-12-24T1{row}:00:00Z" for row in range(count)]
    assert json.loads(read.body or b"") == (times if count == 2 else as_shown)


def test_row_that_was_added_has_only_what_was_entered() -> None:
    call = {"passenger": {"name": "Ada"}, "at": "2026-12-24T10:00", "text": "", "stops": []}
    form = to_form({**FLIGHT, "default": call})
    controls = {"form/stops~rows": "1", "form/stops/0/sku": "x", "form/stops/0/count": "2"}

    assert submitted(form, **controls) == {**call, "stops": [{"sku": "x", "count": 2}]}


def test_items_beyond_the_rows_of_a_page_stay() -> None:
    numbers = {"type": "array", "items": {"type": "integer"}}
    call = {"a": list(range(150)), "b": "x"}
    form = to_form({"properties": {"a": numbers, "b": {"type": "string"}}, "default": call})

    assert submitted(form, **{"form/b": "y"}) == {**call, "b": "y"}


def test_name_of_endless_steps_is_read_in_time() -> None:
    read = sent(ORDER, (f"form{'/a' * 200_000}", "x"))

    assert read.body is None


@pytest.mark.parametrize(
    ("at", "shown", "hint", "typed", "read"),
    [
        ("2026-12-24T10:00:00", "2026-12-24T10:00", "without a time zone", "11", "11:00:00"),
        ("2026-12-24T10:00:00Z", "2026-12-24T10:00", "in UTC", "11", "11:00:00Z"),
        ("2026-12-24T10:00:00+02:00", "2026-12-24T08:00", "in UTC", "11", "11:00:00Z"),
    ],
)
@pytest.mark.parametrize("place", ["at", "stop", "paid"])
def test_changed_time_has_the_zone_that_its_label_says(
    at: str, shown: str, hint: str, typed: str, read: str, place: str
) -> None:
    part, default, name = {
        "at": (AT, at, "form/at"),
        "stop": ({"type": "array", "items": STOP}, [{"sku": "x", "at": at}], "form/at/0/at"),
        "paid": ({"oneOf": [PAID, {"type": "integer"}]}, {"on": at}, "form/at~b0/on"),
    }[place]
    form = to_form({
        "type": "object",
        "required": ["at"],
        "properties": {"at": part},
        "default": {"at": default},
    })

    html = rendered(form, initial_values(form))

    assert initial_values(form).typed[name] == [shown]
    assert hint in html
    assert ({"in UTC", "without a time zone"} - {hint}).pop() not in html
    changed = submitted(form, **{name: f"2026-12-24T{typed}:00"})
    assert changed == json.loads(json.dumps({"at": default}).replace(at, f"2026-12-24T{read}"))


def test_text_with_line_breaks_keeps_them_in_a_browser() -> None:
    form = to_form({"properties": {"a": {"type": "string"}}, "default": {"a": "x\ny"}})

    assert "<textarea" in rendered(form, initial_values(form))
    assert "<textarea" not in rendered(form, initial_values(form, {"a": "x"}))


def test_default_of_the_schema_is_filled_in() -> None:
    schema = {
        "type": "object",
        "properties": {
            "euros": {"type": "number", "default": 5},
            "kind": {"enum": ["a", "b"], "default": "b"},
        },
    }
    form = to_form(schema)

    read = read_form(form, pairs_of(initial_values(form)))

    assert json.loads(read.body or b"") == {"euros": 5, "kind": "b"}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists))
def test_strange_schema_gives_a_form_and_no_error(value: Any) -> None:
    for schema in (
        value,
        {"type": value},
        {"enum": value},
        {"properties": value},
        {"anyOf": value},
    ):
        form = to_form(schema)
        assert rendered(form, initial_values(form))


def test_long_list_of_options_starts_with_none() -> None:
    schema = {"enum": [f"option {number}" for number in range(9)]}
    form = to_form(schema)

    options = re.findall(r"<option [^>]*>", rendered(form, initial_values(form)))

    assert options[0] == '<option value="">'
    assert len(options) == 10
    assert sent(schema, ("form", "")).body is None


def test_union_without_a_chosen_branch_is_a_problem() -> None:
    schema = {
        "type": "object",
        "required": ["pay"],
        "properties": {"pay": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {}}]}},
    }

    read = sent(schema, ("form/pay~b0", "12"))

    assert read.body is None
    assert [problem.path for problem in read.problems] == ["/pay"]
    assert sent(schema, ("form/pay~b0", "12"), ("form/pay~choice", "0")).body == b'{"pay":12}'


def test_optional_member_without_a_value_is_left_out() -> None:
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "count": {"type": "integer"},
            "kind": {"enum": ["a", "b"]},
            "is_gift": {"type": "boolean"},
        },
    }

    read = sent(schema, ("form/text", ""), ("form/count", ""), ("form/kind", "2"))

    assert (read.body, read.problems) == (b"{}", ())


def test_yes_that_must_be_given_is_not_given_without_a_person() -> None:
    assert sent({"const": True}).body is None
    assert sent({"const": True}, ("form", "0")).body == b"true"


@pytest.mark.parametrize(
    ("format_", "typed", "read"),
    [
        ("date-time", "2030-01-01T10:00", "2030-01-01T10:00:00Z"),
        ("date-time", "2030-01-01T10:00:07", "2030-01-01T10:00:07Z"),
        ("date-time", "2030-01-01T10:00:00+05:30", "2030-01-01T10:00:00+05:30"),
        ("date-time-local", "2030-01-01T10:00", "2030-01-01T10:00:00"),
        ("time", "10:00", "10:00:00Z"),
        ("time-local", "10:00", "10:00:00"),
    ],
)
def test_time_has_its_zone_and_its_seconds(format_: str, typed: str, read: str) -> None:
    body = sent({"type": "string", "format": format_}, ("form", typed)).body

    assert json.loads(body or b"") == read


@pytest.mark.parametrize(
    ("format_", "value", "shown"),
    [
        ("date-time", "2030-01-01T02:00:00+05:30", "2029-12-31T20:30"),
        ("date-time", "2030-01-01T02:00:00Z", "2030-01-01T02:00"),
        ("date-time", "2030-01-01T02:00:50Z", "2030-01-01T02:00:50"),
        ("date-time", "2030-01-01T02:00:00.250300Z", "2030-01-01T02:00:00.25"),
        ("date-time-local", "2030-01-01T02:00:00", "2030-01-01T02:00"),
        ("time", "02:00:00+05:30", "20:30"),
        ("time-local", "02:00:00", "02:00"),
    ],
)
def test_time_is_shown_in_utc_as_browsers_write_it(format_: str, value: str, shown: str) -> None:
    values = initial_values(to_form({"type": "string", "format": format_}), value)

    assert values.typed == {"form": [shown]}


LINES = {
    "type": "array",
    "items": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}},
}


def test_rows_around_a_removed_one_stay() -> None:
    form = to_form(LINES)
    typed = pairs_of(initial_values(form, [{"sku": sku} for sku in "abcd"]))

    removed = read_form(form, [*typed, ("~remove", "form/1")])
    added = read_form(form, [*pairs_of(removed), ("~add", "form")])

    assert read_form(form, typed).body == b'[{"sku":"a"},{"sku":"b"},{"sku":"c"},{"sku":"d"}]'
    assert read_form(form, pairs_of(removed)).body == b'[{"sku":"a"},{"sku":"c"},{"sku":"d"}]'
    last = [*pairs_of(added), ("form/3/sku", "e")]
    again = read_form(form, last).body
    assert again == b'[{"sku":"a"},{"sku":"c"},{"sku":"d"},{"sku":"e"}]'


def test_constant_is_the_one_of_the_schema_whatever_is_sent() -> None:
    schema = {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "order"}}}

    read = sent(schema, ("form/kind", "forged"))

    assert read.body is None
    assert read.draft == b'{"kind":"order"}'
    assert 'name="form/kind"' not in rendered(to_form(schema), read)


def test_member_that_the_form_does_not_have_is_a_problem() -> None:
    lines = {"anyOf": [LINES, {"type": "null"}]}
    schema = {
        "type": "object",
        "required": ["pay"],
        "properties": {"a": {"type": "integer"}, "pay": lines},
    }
    optional = [("form/pay~choice", "0"), ("form/pay~b0~rows", "1"), ("form/pay~b0/0/sku", "x")]

    extra = sent(schema, *optional, ("form/a", "1"), ("form/euros", "9"))
    forged_row = sent(schema, ("form/a", "1"), *optional, ("form/pay~b0/7/sku", "y"))
    unchosen = sent(schema, ("form/a", "1"), ("form/pay~choice", "1"), *optional[1:])

    assert extra.body is None
    assert [problem.message for problem in extra.problems] == ["the form has no field form/euros"]
    assert forged_row.body is None
    assert (unchosen.body, unchosen.problems) == (b'{"a":1,"pay":null}', ())


def test_parts_of_a_schema_that_are_elsewhere_are_found() -> None:
    schema = {
        "type": "object",
        "required": ["order", "both"],
        "properties": {
            "order": {"$ref": "#/$defs/Order"},
            "both": {"allOf": [{"type": "integer"}, {"minimum": 3}]},
        },
        "$defs": {"Order": {"type": "object", "properties": {"sku": {"type": "string"}}}},
    }

    html = rendered(to_form(schema), initial_values(to_form(schema)))

    assert 'name="form/order/sku"' in html
    assert "at least 3" in html
    assert "<textarea" not in html


@pytest.mark.parametrize(
    ("bounds", "wrong", "right"),
    [
        ({"minimum": 0.1}, "0.09", "0.1"),
        ({"exclusiveMinimum": 1}, "1", "1.0000000000000000001"),
        ({"maximum": 9}, "9.0000000000000000001", "9"),
        ({"exclusiveMaximum": 9}, "9", "8.9999999999999999999"),
        ({"multipleOf": 0.05}, "0.06", "12345678901234567890.15"),
    ],
    ids=str,
)
def test_bounds_of_a_decimal_number_are_exact(
    bounds: dict[str, float], wrong: str, right: str
) -> None:
    schema = {"anyOf": [{"type": "number", **bounds}, {"type": "string"}]}

    assert sent(schema, ("form", wrong)).body is None
    assert sent(schema, ("form", right)).problems == ()


def test_bounds_are_said_before_something_is_typed() -> None:
    schema = {
        "type": "object",
        "properties": {
            "count": {"type": "integer", "minimum": 2},
            "name": {"type": "string", "maxLength": 30},
            "text": {"type": "string", "maxLength": 300},
        },
    }

    html = rendered(to_form(schema), initial_values(to_form(schema)))

    assert "at least 2" in html
    assert "at most 30 characters" in html
    assert html.count("<textarea") == 1


@pytest.mark.parametrize("typed", ["1e999", '{"a": 1', "NaN", '{"a": [1e999]}', "", "{'a': 1}"])
def test_json_field_refuses_what_is_not_json(typed: str) -> None:
    assert sent({}, ("form", typed)).body is None
    assert sent({"type": "number"}, ("form", typed)).body is None


def nested(levels: int) -> Any:
    """Return a schema of groups in groups."""
    schema: Any = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "required": ["a"], "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(2_000)}},
        {"type": "array", "items": {"enum": [f"option {n}" for n in range(2_000)]}},
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {f"p{n}": {"type": "string"} for n in range(100)},
            },
        },
        {"type": "array", "items": {"type": "string"}, "minItems": 5_000},
        nested(50),
    ],
    ids=["members", "options", "members of rows", "rows", "levels"],
)
def test_schema_that_is_too_large_for_a_page_has_a_json_field(schema: Any) -> None:
    html = rendered(to_form(schema), initial_values(to_form(schema)))

    assert html.count("<textarea") == 1
    assert html.count("<input") + html.count("<option") + html.count("<fieldset") < 10


def test_long_lists_have_one_hundred_rows() -> None:
    schema = {"type": "array", "items": {"type": "string"}, "maxItems": 5_000}
    form = to_form(schema)

    values = initial_values(form, ["x"] * 5_000)

    assert len([name for name in values.typed if name.startswith("form/")]) == 100
    assert "~add" not in rendered(form, values)
    read = sent(schema, ("form~rows", "5000"), *((f"form/{row}", "x") for row in range(100)))
    assert len(json.loads(read.body or b"")) == 100


def test_what_was_typed_is_shown_again_with_problems() -> None:
    schema = {
        "type": "object",
        "required": ["text", "kind", "long", "many"],
        "properties": {
            "text": {"type": "integer"},
            "kind": {"enum": ["a", "b"]},
            "long": {"enum": list("abcdefghij")},
            "many": {"type": "array", "items": {"enum": ["x", "y"]}},
            "lines": LINES,
        },
    }
    typed = [("form/text", "ten"), ("form/kind", "1"), ("form/long", "7"), ("form/many", "1")]
    typed += [("form/lines~rows", "1"), ("form/lines/0/sku", "K7")]
    form = to_form(schema)

    for more in ([], [("~add", "form/lines")], [("~refresh", "1")]):
        values = read_form(form, [*typed, *more])
        html = rendered(form, values, values.problems)

        assert 'value="ten"' in html
        assert '<option value="7" selected>' in html
        assert html.count(" checked>") == 2
        assert 'value="K7"' in html


def test_direction_of_text_in_a_form_is_that_of_the_text() -> None:
    mark = "\u202ea"
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "title": mark, "description": mark},
            "number": {"type": "integer"},
            "kind": {"enum": [mark, "b"]},
        },
    }
    form = to_form(schema)

    html = rendered(form, initial_values(form))

    outside = re.sub(r"<bdi>.*?</bdi>|<pre>.*?</pre>|<[^>]*>", "", html, flags=re.DOTALL)
    assert mark in html
    assert mark not in outside
    assert re.search(r'<input [^>]*name="form/text"[^>]*dir="auto"', html)
    assert re.search(r'<input [^>]*name="form/number"[^>]*dir="ltr"', html)
