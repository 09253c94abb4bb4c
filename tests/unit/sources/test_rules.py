"""Rules: what the bodies of real providers mean, and how rules fail."""

import json

import pytest

from ringback.domain.alias import Alias
from ringback.gateway.body import to_failed
from ringback.sources.expressions import Expression
from ringback.sources.rules import (
    MOST_EVENTS,
    Action,
    Ignored,
    Match,
    Rule,
    RuleFailed,
    RuleOutcome,
    apply_rules,
)
from ringback.sources.source_event import SourceEvent
from tests.unit.sources.bodies import (
    GITHUB_CHECK,
    GITHUB_RUN,
    GRAPH,
    SENDGRID,
    SHOPIFY,
    SLACK,
    STRIPE,
    STRIPE_DECLINED,
    TWILIO,
    parse,
)

JSON = {"content-type": "application/json; charset=utf-8"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def rule(action: str = "complete", key: str | None = "'k'", **expressions: str) -> Rule:
    if key is not None:
        expressions["key"] = key
    return Rule(Action(action), **{name: Expression(text) for name, text in expressions.items()})


def only(
    rules: Rule | list[Rule], body: bytes, headers: dict[str, str] = JSON, *, limit: int = 10_000
) -> RuleOutcome:
    rules = [rules] if isinstance(rules, Rule) else rules
    (outcome,) = apply_rules(rules, SourceEvent(body, headers), limit=limit)
    return outcome


def matched(outcome: RuleOutcome) -> Match:
    assert isinstance(outcome, Match), outcome
    return outcome


def reason(outcome: RuleOutcome) -> str:
    assert isinstance(outcome, RuleFailed | Ignored), outcome
    return outcome.reason


STRIPE_RULES = [
    rule(
        when="type == 'payment_intent.succeeded'",
        key="join(':', ['stripe', data.object.id])",
        result="{id: data.object.id, amount: data.object.amount}",
    ),
    rule(
        "fail",
        when="type == 'payment_intent.payment_failed'",
        key="join(':', ['stripe', data.object.id])",
        message="data.object.last_payment_error.message || 'payment failed'",
        type="'PaymentFailed'",
        non_retryable="`true`",
        details="data.object.last_payment_error",
    ),
]


def test_stripe_payment_completes_with_the_selected_members() -> None:
    outcome = only(STRIPE_RULES, STRIPE)
    assert outcome == Match(
        0,
        Action.COMPLETE,
        Alias("stripe:pi_3PXyz2eZvKYlo2C1"),
        b'{"id":"pi_3PXyz2eZvKYlo2C1","amount":2000}',
    )


def test_declined_payment_becomes_a_failure_that_the_gateway_reads() -> None:
    outcome = matched(only(STRIPE_RULES, STRIPE_DECLINED))
    assert (outcome.rule, outcome.action) == (1, Action.FAIL)
    failed = to_failed(outcome.body)
    assert (failed.message, failed.type, failed.non_retryable, failed.details) == (
        "payment failed",
        "PaymentFailed",
        True,
        b'[{"code":"card_declined"}]',
    )


def test_other_events_are_ignored() -> None:
    other = STRIPE.replace(b"payment_intent.succeeded", b"payment_intent.created")
    assert only(STRIPE_RULES, other) == Ignored(None, "no rule applies")


def test_result_without_expression_is_the_event_byte_for_byte() -> None:
    assert matched(only(rule(), b"\xef\xbb\xbf " + STRIPE + b"\n")).body == STRIPE


def test_github_run_is_found_by_header_and_number() -> None:
    github = rule(
        when="header('X-GitHub-Event') == 'workflow_run' && action == 'completed'",
        key="join(':', ['github', 'run', to_string(workflow_run.id)])",
        result="workflow_run.conclusion",
    )
    headers = JSON | {"x-github-event": "workflow_run"}
    assert github.headers == {"x-github-event"}
    outcome = matched(only(github, GITHUB_RUN, headers))
    assert (outcome.alias.text, outcome.body) == ("github:run:9999999999", b'"success"')
    assert only(github, GITHUB_RUN, JSON) == Ignored(None, "no rule applies")


def test_github_check_fails_with_its_summary() -> None:
    rules = [
        rule(when="check_run.conclusion == 'success'", key="check_run.head_sha"),
        rule("fail", key="check_run.head_sha", message="check_run.output.summary"),
    ]
    outcome = matched(only(rules, GITHUB_CHECK))
    assert outcome.alias.text == "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
    assert to_failed(outcome.body).message == "3 errors"


def test_key_may_be_a_whole_number() -> None:
    assert matched(only(rule(key="id"), SHOPIFY)).alias.text == "820982911946154508"


def test_projection_keeps_numbers_emoji_and_line_separators() -> None:
    selected = rule(key="id", result="[id, total_weight, line_items[*].id, note]")
    assert matched(only(selected, SHOPIFY)).body == (
        "[820982911946154508,1.10,[866550311766439020,141249953214522974],"
        '"thanks 😊\u2028bye"]'.encode()
    )


def test_json_inside_a_form_is_read_with_parse_json() -> None:
    slack = rule(
        when="parse_json(payload).actions[0].action_id == 'approve'",
        key="parse_json(payload).actions[0].value",
        result="{approved: `true`, by: parse_json(payload).user.id}",
    )
    outcome = matched(only(slack, SLACK, FORM))
    assert (outcome.alias.text, outcome.body) == ("order:17", b'{"approved":true,"by":"U0123"}')


def test_form_is_an_object_of_texts() -> None:
    outcome = matched(only(rule(key="MessageSid"), TWILIO, FORM))
    assert parse(outcome.body) == {
        "MessageSid": "SM123",
        "MessageStatus": "delivered",
        "To": "+15558675310",
        "Body": "café 😊",
    }
    assert matched(only(rule(), b"a=1&a=2&b=", FORM)).body == b'{"a":["1","2"],"b":""}'


@pytest.mark.parametrize("body", [b"a=%FF", b"a=\xff", b"&".join([b"a=1"] * 20_001)])
def test_form_that_is_not_utf_8_or_too_long_fails(body: bytes) -> None:
    assert only(rule(), body, FORM) == RuleFailed(
        None, "the body is not a form in UTF-8, or has over 20,000 fields"
    )


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b"OK: job 42", {"text": "OK: job 42"}),
        (b"", {"text": ""}),
        (b"{nearly", {"text": "{nearly"}),
        (b"\xff\xfe\x00", {"base64": "//4A"}),
    ],
)
def test_other_bodies_are_text_or_base64(body: bytes, seen: object) -> None:
    assert parse(matched(only(rule(), body, {"content-type": "text/plain"})).body) == seen


def test_json_is_read_without_its_content_type() -> None:
    assert matched(only(rule(key="id"), b'{"id":"x"}', {"content-type": "text/plain"})).alias
    assert matched(only(rule(key="id"), b'{"id":"x"}', {})).body == b'{"id":"x"}'
    assert matched(only(rule(), b"17", {"content-type": "application/vnd.x+json"})).body == b"17"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a": "\xff"}', b'["\\ud800"]', b"NaN", b"1" * 5_000, "{}".encode("utf-16")],
)
def test_declared_json_that_is_none_fails(body: bytes) -> None:
    assert "the body is not JSON that Ringback reads" in reason(only(rule(), body))


def test_json_that_is_5000_deep_fails() -> None:
    deep = b'{"a":' * 5_000 + b"1" + b"}" * 5_000
    assert "recursion limit exceeded" in reason(only(rule(when="a == a"), deep))
    assert (
        matched(only(rule(), deep, {}, limit=60_000)).body
        == json.dumps({"text": deep.decode()}).replace(", ", ",").replace('": ', '":').encode()
    )


GRAPH_RULES = [rule(when="changeType == 'updated'", key="resourceData.id"), rule("ignore", None)]


def test_each_event_of_a_batch_has_its_own_outcome() -> None:
    first, second, third = apply_rules(
        GRAPH_RULES, SourceEvent(GRAPH, JSON), batch=Expression("value")
    )
    assert matched(first).alias.text == "m1"
    assert parse(matched(first).body)["changeType"] == "updated"
    assert second == Ignored(1, "rules[1] ignores it")
    assert third == RuleFailed(0, "rules[0].key: it must be a text or a whole number, not null")


def test_batch_may_be_the_whole_body() -> None:
    rules = [
        rule(when="event == 'delivered'", key="order"),
        rule("fail", when="event == 'bounce'", key="order", message="reason"),
    ]
    outcomes = apply_rules(rules, SourceEvent(SENDGRID, JSON), batch=Expression("@"))
    assert [type(one) for one in outcomes] == [Match, Match, Ignored]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"value": {}}', RuleFailed(None, "batch: it must be a list of events, not an object")),
        (b"{}", RuleFailed(None, "batch: it must be a list of events, not null")),
        (b'{"value": []}', Ignored(None, "batch: the body has no events")),
        (
            json.dumps({"value": [1] * (MOST_EVENTS + 1)}).encode(),
            RuleFailed(None, "batch: the body has 1,001 events; Ringback reads at most 1,000"),
        ),
    ],
)
def test_batch_that_is_not_a_list_or_too_long_fails_at_once(
    body: bytes, expected: RuleOutcome
) -> None:
    event = SourceEvent(body, JSON)
    assert apply_rules([rule()], event, batch=Expression("value")) == (expected,)


def test_error_in_when_means_that_the_rule_does_not_apply() -> None:
    rules = [rule(when="starts_with(type, 'a')"), rule("ignore", None, when="`false`")]
    assert only(rules, b'{"type": null}') == Ignored(
        None, "no rule applies; rules[0].when: starts_with() was given null, not string"
    )
    assert matched(only([*rules, rule()], b'{"type": null}')).rule == 2


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        (rule(key="a"), "key: it must be a text or a whole number, not a list"),
        (rule(key="b"), "key: it must be a text or a whole number, not true or false"),
        (rule(key="n"), "key: it must be a text or a whole number, not a number"),
        (rule(key="join(':', a)"), "key: join() was given int, not array-string"),
        (rule(key="''"), "key: an alias must have 1 to 200 characters, not 0"),
        (
            rule(key="control"),
            "key: an alias must have printable characters only, and character 1 is U+000A",
        ),
        (
            rule(result="missing"),
            "result: the event has no such value; if it may, write <expression> || `null`",
        ),
        (rule(result="&a"), "result: it is not a JSON value"),
        (rule(result="huge"), "result: a number is out of range"),
        (rule(), "result: a number is out of range"),
        (rule(result="ceil(huge)"), "result: it cannot be calculated (OverflowError)"),
        (rule(result="a < 'x'"), "result: the event has no such value"),
        (rule(result="a[0] < 'x'"), "result: it cannot be calculated (TypeError)"),
        (rule("fail", message="missing"), "message: it must be a text, not null; a constant is"),
        (rule("fail", message="''"), "message: it must be a text, not an empty text"),
        (rule("fail", message="'m'", type="Declined"), "type: it must be a text, not null"),
        (
            rule("fail", message="'m'", non_retryable="'yes'"),
            "non_retryable: it must be true or false, not a text",
        ),
        (rule("cancel", details="&a"), "details: it is not a JSON value"),
        (rule("fail", message="'m'", details="&a"), "message and details: it is not a JSON value"),
    ],
)
def test_rule_that_fails_says_which_expression_and_why(failing: Rule, expected: str) -> None:
    body = b'{"a": [1], "b": true, "n": 1.5, "control": "\\n", "huge": 1e400}'
    outcome = only(failing, body)
    assert isinstance(outcome, RuleFailed)
    assert outcome.reason.startswith(f"rules[0].{expected}")


def test_null_is_a_result_when_it_is_written() -> None:
    assert matched(only(rule(result="`null`"), b"{}")).body == b"null"
    assert matched(only(rule(result="a || b || `null`"), b"{}")).body == b"null"


@pytest.mark.parametrize("action", ["heartbeat", "cancel"])
def test_heartbeat_and_cancel_have_details_or_no_body(action: str) -> None:
    assert matched(only(rule(action), STRIPE)).body is None
    assert matched(only(rule(action, details="data.object.amount"), STRIPE)).body == b"2000"


def test_failure_without_options_has_only_a_message() -> None:
    outcome = matched(only(rule("fail", message="'down'", non_retryable="x", details="x"), b"{}"))
    assert parse(outcome.body) == {"message": "down", "non_retryable": False}


def test_large_answers_fail() -> None:
    assert reason(only(rule(), STRIPE, limit=100)) == (
        "rules[0].result: the event is longer than 100 bytes; select less of it"
    )
    assert reason(only(rule(result="@"), STRIPE, limit=100)) == (
        "rules[0].result: it would be longer than 100 bytes; select less of the event"
    )
    emoji = '{"a": "😊😊"}'.encode()
    assert reason(only(rule(result="a"), emoji, limit=8)).startswith("rules[0].result: it would be")
    assert matched(only(rule(result="a"), emoji, limit=10)).body == '"😊😊"'.encode()


def test_result_that_doubles_itself_fails() -> None:
    twice = " | ".join(["[@, @]"] * 90)
    assert "would be longer than 10,000 bytes" in reason(only(rule(result=twice), b"{}"))


def test_reasons_and_reprs_have_no_part_of_the_event() -> None:
    body = b'{"secret": ["hunter2"], "n": 1}'
    for text in ("starts_with(secret, 'x')", "secret[0] < n", "sort_by(secret, &@.x)", "secret"):
        outcome = only(rule(key=text, when=f"!{text} || `true`"), body)
        assert "hunter2" not in reason(outcome)
    assert "hunter2" not in repr(only(rule(), body)) + repr(SourceEvent(body, {"a": "hunter2"}))
