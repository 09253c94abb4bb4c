"""The tables of `ringback.toml` that describe a source and its rules."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, TypeGuard

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from ringback.domain.durations import parse_duration
from ringback.sources.expressions import Expression, ExpressionError
from ringback.sources.rules import Action
from ringback.sources.scheme import Digest, Encoding, KeyForm, Unit


def _to_expression(value: Any) -> Expression:
    if not isinstance(value, str):
        msg = "write a JMESPath expression in quotes"
        raise ValueError(msg)  # noqa: TRY004 - pydantic collects errors of this type
    return Expression(value)


def _to_text(value: Any) -> Expression:
    try:
        return _to_expression(value)
    except ExpressionError as exc:
        msg = f"{exc}; a constant has quotes of its own: \"'card declined'\""
        raise ValueError(msg) from exc


def _to_flag(value: Any) -> Expression:
    return (
        Expression("`true`" if value else "`false`") if isinstance(value, bool) else _to_text(value)
    )


def _to_action(value: Any) -> Action:
    names = [one.value for one in Action]
    if value not in names:
        msg = f"write one of {', '.join(names)}"
        raise ValueError(msg)
    return Action(value)


def _to_duration(value: Any) -> timedelta:
    if not isinstance(value, str):
        msg = 'write a duration in quotes, such as "24h"'
        raise ValueError(msg)  # noqa: TRY004 - pydantic collects errors of this type
    return parse_duration(value)


def is_reference(value: Any) -> TypeGuard[str]:
    """Return whether `value` says where a secret is: `env:NAME` or `file:PATH`."""
    return isinstance(value, str) and value.startswith(("env:", "file:")) and value[-1] != ":"


def _to_reference(value: Any) -> str:
    if not is_reference(value):
        msg = (
            "a secret does not belong in this file; write env:NAME for a variable or file:PATH"
            " for a file"
        )
        raise ValueError(msg)
    return value


ExpressionField = Annotated[Expression, BeforeValidator(_to_expression)]
_Text = Annotated[Expression, BeforeValidator(_to_text)]
_Flag = Annotated[Expression, BeforeValidator(_to_flag)]
DurationField = Annotated[timedelta, BeforeValidator(_to_duration)]
_Reference = Annotated[str, BeforeValidator(_to_reference)]
HeaderField = Annotated[
    str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
]

_MEMBERS: Final[dict[str, frozenset[str]]] = {
    Action.COMPLETE.value: frozenset({"result"}),
    Action.FAIL.value: frozenset({"message", "type", "non_retryable", "details"}),
    Action.HEARTBEAT.value: frozenset({"details"}),
    Action.CANCEL.value: frozenset({"details"}),
    Action.IGNORE.value: frozenset(),
}
"""What the answer of each action may have."""

_ANSWER: Final = frozenset[str]().union(*_MEMBERS.values())


class RuleTable(BaseModel):
    """A `[[sources.NAME.rules]]`; `ringback.sources.rules.Rule` explains the keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    action: Annotated[Action, BeforeValidator(_to_action)]
    when: ExpressionField | None = None
    key: ExpressionField | None = None
    result: ExpressionField | None = Field(default=None, repr=False)
    message: _Text | None = None
    type: _Text | None = None
    non_retryable: _Flag | None = None
    details: ExpressionField | None = Field(default=None, repr=False)


_OF_SCHEME: Final[dict[str, frozenset[str]]] = {
    "basic": frozenset({"delivery"}),
    "token": frozenset({"header", "prefix", "delivery"}),
    "hmac": frozenset({
        "header",
        "prefix",
        "member",
        "delimiter",
        "digest",
        "encoding",
        "secret_form",
        "signed",
        "timestamp",
        "timestamp_unit",
        "delivery",
    }),
}
"""The keys that describe each generic scheme."""


class SourceTable(BaseModel):
    """A `[sources.NAME]`.

    Attributes:
        provider: The name of a provider in the signature table.
        scheme: How requests are verified, for others.
        secrets: Where the secrets are, the newest first: `env:NAME` or `file:PATH`, relative to the
            folder of `ringback.toml`.
        verify_token: Where the token is that Meta sends to check the endpoint, like a secret.
        tolerance: How old or early a request may be.
        headers: Headers to keep with each event, besides those that rules read.
        ttl: How long an event waits for its alias.
        limit: Maximum events per second.
        batch: An expression for the list of events in one body.
        rules: What events mean; the first that applies decides.
        header: The header of the signature or token.
        prefix: What precedes the signature or token in its header, such as `sha256=`.
        member: The name of the signature in a header such as `t=1,v1=ab`.
        delimiter: What separates the members of that header.
        digest: The hash function.
        encoding: How the signature is written.
        secret_form: How the secret becomes the key.
        signed: What is signed, such as `{timestamp}.{body}`.
        timestamp: Where the time of sending is: `header:NAME`, `member:NAME` or `body:PATH`.
        timestamp_unit: Its unit.
        delivery: What names a delivery: `header:NAME` or `body:PATH`.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    provider: str | None = None
    scheme: Literal["hmac", "token", "basic"] | None = None
    secrets: Annotated[list[_Reference], Field(min_length=1)]
    verify_token: _Reference | None = None
    tolerance: DurationField | None = None
    headers: list[HeaderField] = []
    ttl: DurationField = timedelta(hours=24)
    limit: Annotated[int, Field(strict=True, gt=0)] | None = None
    batch: ExpressionField | None = None
    rules: list[RuleTable] = []

    header: HeaderField = "authorization"
    prefix: str = ""
    member: str = ""
    delimiter: Annotated[str, Field(min_length=1)] = ","
    digest: Digest = "sha256"
    encoding: Encoding = "hex"
    secret_form: KeyForm = "text"  # noqa: S105 - a form
    signed: str = "{body}"
    timestamp: Annotated[str, Field(pattern="^(header|member|body):.+$")] | None = None
    timestamp_unit: Unit = "s"
    delivery: tuple[Annotated[str, Field(pattern="^(header|body):.+$")], ...] = ()


def find_contradictions(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the keys of a source that are missing or do not go together, with what to do."""
    scheme, keys = str(table.get("scheme")), table.keys()
    if ("provider" in keys) == ("scheme" in keys):
        yield "provider", "write either provider, such as 'stripe', or scheme, such as 'hmac'"
    for key in sorted(keys & _OF_SCHEME["hmac"]):
        if "provider" in keys:
            yield key, "remove it: the provider sets it"
        elif scheme in _OF_SCHEME and key not in _OF_SCHEME[scheme]:
            yield key, f"scheme {scheme!r} does not use it; remove it"
    if scheme in {"hmac", "token"} and "header" not in keys:
        yield "header", f"scheme {scheme!r} needs the name of the header"
    if "prefix" in keys and "member" in keys:
        yield "member", "write either prefix or member"
    yield from find_in_rules(table.get("rules"))


def find_in_rules(rules: Any) -> Iterator[tuple[str, str]]:
    """Yield the keys of rules that are missing or do not go together, with what to do."""
    for index, rule in enumerate(rules if isinstance(rules, list) else []):
        if isinstance(rule, dict):
            yield from ((f"rules[{index}].{key}", msg) for key, msg in _find_in_rule(rule))


def _find_in_rule(rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    action, keys = rule.get("action"), rule.keys()
    if not isinstance(action, str) or action not in _MEMBERS:
        return
    if "key" not in keys and action != Action.IGNORE.value:
        yield "key", "this key is missing; write an expression for the callback's alias"
    if "message" not in keys and action == Action.FAIL.value:
        yield "message", "this key is missing; write an expression for the failure's message"
    for key in sorted((keys & _ANSWER) - _MEMBERS[action]):
        yield key, f"{action!r} does not use it; remove it"
