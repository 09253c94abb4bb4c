"""A decision as a program sends it, and the schemas of what it sends."""

import json
from typing import Any

import pytest

from ringback.domain.people_errors import WrongVoteError
from ringback.domain.policy import Policy, RequireReason
from ringback.domain.vote_body import VoteBody, parse_vote, to_default_schema, to_sent_schema
from ringback.result_schema.validate import find_problems

LIMIT: dict[str, Any] = {
    "$defs": {"Limit": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    "$ref": "#/$defs/Limit",
}


def paths(schema: str | None, body: object) -> list[str]:
    assert schema is not None
    return [one.path for one in find_problems(schema, json.dumps(body).encode())]


@pytest.mark.parametrize(
    ("body", "parsed"),
    [
        (b'{"approved": true}', VoteBody(approved=True)),
        (
            b' {"form": { "n": 1.10 }, "approved": false, "reason": "no", "digest": "d"}',
            VoteBody(approved=False, reason="no", form=b'{ "n": 1.10 }', digest="d"),
        ),
        (b'{"approved": true, "form": null, "reason": null}', VoteBody(approved=True)),
        (b'{"approved": true, "form": 0}', VoteBody(approved=True, form=b"0")),
        (b'{"approved": true, "ballot": 2}', VoteBody(approved=True, ballot=2)),
    ],
)
def test_decision_is_read_and_its_form_keeps_its_bytes(body: bytes, parsed: VoteBody) -> None:
    assert parse_vote(body) == parsed


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (None, [""]),
        (b"", [""]),
        (b"true", [""]),
        (b'[{"approved": true}]', [""]),
        (b"{}", ["/approved"]),
        (b'{"approved": "true"}', ["/approved"]),
        (b'{"approved": 1}', ["/approved"]),
        (b'{"approved": null}', ["/approved"]),
        (b'{"approved": true, "by": "ada"}', ["/by"]),
        (b'{"approved": true, "reason": 5, "digest": []}', ["/reason", "/digest"]),
        (b'{"approved": true, "ballot": -1}', ["/ballot"]),
        (b'{"approved": true, "ballot": true}', ["/ballot"]),
        (b'{"approved": true, "ballot": "1"}', ["/ballot"]),
        (b'{"ok": true}', ["/ok", "/approved"]),
    ],
)
def test_anything_else_is_refused_with_its_place(body: bytes | None, where: list[str]) -> None:
    with pytest.raises(WrongVoteError) as caught:
        parse_vote(body)

    assert [one.path for one in caught.value.problems] == where


def test_repr_hides_reason_and_form() -> None:
    parsed = parse_vote(b'{"approved": true, "reason": "secret", "form": "secret"}')

    assert "secret" not in repr(parsed)


@pytest.mark.parametrize("policy", [None, Policy(is_decision=False)], ids=str)
@pytest.mark.parametrize("schema", [None, '{"type": "integer"}'])
def test_where_nobody_approves_the_schema_is_that_of_the_result(
    policy: Policy | None, schema: str | None
) -> None:
    assert to_sent_schema(policy, schema) == schema
    assert to_default_schema(policy, schema) == schema


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"approved": True}, []),
        ({"approved": True, "form": {"n": 1}, "reason": "why", "digest": None}, []),
        ({"approved": False, "form": None, "reason": None}, []),
        ({"approved": True, "form": {"n": "1"}}, ["/form/n"]),
        ({"approved": "yes"}, ["/approved"]),
        ({"approved": True, "by": "ada"}, ["/by"]),
        ({}, [""]),
    ],
    ids=str,
)
def test_schema_of_a_decision_contains_that_of_the_form(
    body: dict[str, Any], where: list[str]
) -> None:
    assert paths(to_sent_schema(Policy(), json.dumps(LIMIT)), body) == where


def test_schema_without_a_form_has_none() -> None:
    assert paths(to_sent_schema(Policy(), None), {"approved": True, "form": None}) == ["/form"]


def test_schema_requires_a_reason_if_every_vote_needs_one() -> None:
    always = to_sent_schema(Policy(require_reason=RequireReason.ALWAYS), None)
    rejection = to_sent_schema(Policy(require_reason=RequireReason.REJECTION), None)

    assert paths(always, {"approved": True}) == [""]
    assert paths(rejection, {"approved": True}) == []


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (
            {
                "type": "object",
                "properties": {"next": {"$ref": "#"}},
                "additionalProperties": False,
            },
            {"next": {"next": {}}},
            {"next": {"other": 1}},
        ),
        (
            {
                "properties": {"$ref": {"$ref": "#/$defs/$ref"}, "default": {"$ref": "#/$defs/n"}},
                "$defs": {"$ref": {"type": "string"}, "n": {"type": "integer"}},
            },
            {"$ref": "#/$defs/n", "default": 1},
            {"$ref": "#/$defs/n", "default": "1"},
        ),
        (
            {
                "anyOf": [{"const": {"$ref": "#"}}, {"$ref": "#/$defs/n"}],
                "$defs": {"n": {"type": "null"}},
            },
            {"$ref": "#"},
            {"$ref": "#/$defs/form"},
        ),
        (
            {"$id": "urn:example:limit", **LIMIT},
            {"n": 1},
            {"n": "1"},
        ),
        (
            {"$ref": "#limit", "$defs": {"a": {"$anchor": "limit", "type": "integer"}}},
            1,
            "1",
        ),
        (True, 1, None),
        ({"enum": ["a", "b"], "default": {"$ref": "#/a"}}, "a", "c"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_form_that_refers_to_itself_is_checked_inside_a_decision(
    form: object, good: object, bad: object
) -> None:
    schema = to_sent_schema(Policy(), json.dumps(form))

    assert paths(schema, {"approved": True, "form": good}) == []
    assert bad is None or paths(schema, {"approved": True, "form": bad}) != []


@pytest.mark.parametrize(
    ("decision", "where"),
    [
        ({"approved": False, "reason": "late", "by": None, "votes": [], "is_default": True}, []),
        ({"approved": True, "form": {"n": 1}}, []),
        ({"approved": True, "form": {"n": "1"}}, ["/form/n"]),
        ({"n": 1}, [""]),
    ],
    ids=str,
)
def test_default_of_a_decision_is_a_decision(decision: dict[str, Any], where: list[str]) -> None:
    assert paths(to_default_schema(Policy(), json.dumps(LIMIT)), decision) == where
