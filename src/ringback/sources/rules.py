"""Rules: what an event of a provider means for the callback that waits for it.

The first rule whose `when` holds decides. `ringback.sources.source_event` says what rules see.

Providers sign the body. They rarely sign headers: GitHub's event name, for example, is not signed.
Whoever can repeat a signed body can then choose what `header('x-github-event')` returns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias

from ringback.domain.alias import Alias
from ringback.domain.exact_json import OUT_OF_RANGE, has_infinite_number
from ringback.sources.event_json import encode
from ringback.sources.expressions import EvaluationError, Expression
from ringback.sources.source_event import SourceEvent, read_event

LARGEST_ANSWER: Final = 2 * 1024 * 1024
MOST_EVENTS: Final = 1_000
"""The most events in one body."""


class Action(Enum):
    """What a rule does with the callback."""

    COMPLETE = "complete"
    FAIL = "fail"
    HEARTBEAT = "heartbeat"
    CANCEL = "cancel"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. Every expression is JMESPath; a constant text is a literal: `'card declined'`.

    Attributes:
        action: What to do.
        when: Whether the rule applies: anything but null, false, and an empty text, list or object.
            Without it, the rule applies to every event. An error means that it does not apply.
        key: The alias of the callback, a text or a whole number. All actions but `ignore` need it.
        result: For `complete`: the result. Without it, the result is the whole event.
        message: For `fail`, which needs it: the message.
        type: For `fail`: the error type.
        non_retryable: For `fail`: true or false; null is false.
        details: For `fail`, `heartbeat` and `cancel`; null means without details.
    """

    action: Action
    when: Expression | None = None
    key: Expression | None = None
    result: Expression | None = field(default=None, repr=False)
    message: Expression | None = None
    type: Expression | None = None
    non_retryable: Expression | None = None
    details: Expression | None = field(default=None, repr=False)

    @property
    def headers(self) -> frozenset[str]:
        """The headers that the rule reads, in lower case."""
        answer = (self.result, self.message, self.type, self.non_retryable, self.details)
        every = (self.when, self.key, *answer)
        return frozenset[str]().union(*(one.headers for one in every if one is not None))


@dataclass(frozen=True, slots=True)
class Match:
    """The event answers a callback.

    Attributes:
        rule: The index of the rule.
        action: What to do; never `IGNORE`.
        alias: The alias of the callback.
        body: The body that `POST /v1/aliases/{alias}/{action}` would have; `None` is an empty one.
    """

    rule: int
    action: Action
    alias: Alias
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ignored:
    """The event means nothing for any callback.

    Attributes:
        rule: The index of the rule that ignores it; `None` if no rule applies.
        reason: For operators. It names each `when` that could not be evaluated.
    """

    rule: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class RuleFailed:
    """The event cannot be used until somebody changes the rules.

    Attributes:
        rule: The index of the rule; `None` if the body or `batch` is the reason.
        reason: For operators. It has no part of the event.
    """

    rule: int | None
    reason: str


RuleOutcome: TypeAlias = Match | Ignored | RuleFailed


class _UnusableEventError(Exception):
    """An event cannot be used; the message is for operators."""


def apply_rules(
    rules: Sequence[Rule],
    event: SourceEvent,
    *,
    batch: Expression | None = None,
    limit: int = LARGEST_ANSWER,
) -> tuple[RuleOutcome, ...]:
    """Return what `event` means: one outcome, or one for each event that `batch` selects.

    Args:
        rules: The rules, in their order.
        event: The event.
        batch: An expression whose value is a list of events, at most `MOST_EVENTS`.
        limit: The largest body of an answer, in bytes.
    """
    try:
        root, raw = read_event(event)
    except ValueError as exc:
        return (RuleFailed(None, str(exc)),)
    if batch is None:
        return (_RuleInput(root, raw, event.headers, limit).apply(rules),)
    try:
        items = _select(batch, root, event.headers)
    except _UnusableEventError as exc:
        return (RuleFailed(None, f"batch: {exc}"),)
    if not items:
        return (Ignored(None, "batch: the body has no events"),)
    return tuple(_RuleInput(item, None, event.headers, limit).apply(rules) for item in items)


def _select(batch: Expression, root: Any, headers: Mapping[str, str]) -> list[Any]:
    try:
        items = batch.evaluate(root, headers)
    except EvaluationError as exc:
        raise _UnusableEventError(str(exc)) from exc
    if not isinstance(items, list):
        msg = f"it must be a list of events, not {_kind(items)}"
        raise _UnusableEventError(msg)
    if len(items) > MOST_EVENTS:
        msg = f"the body has {len(items):,} events; Ringback reads at most {MOST_EVENTS:,}"
        raise _UnusableEventError(msg)
    return items


@dataclass(frozen=True, slots=True)
class _RuleInput:
    """One event: what rules see, its JSON as it arrived, if it is known, and the headers."""

    root: Any = field(repr=False)
    raw: bytes | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    limit: int

    def apply(self, rules: Sequence[Rule]) -> RuleOutcome:
        errors: list[str] = []
        for index, rule in enumerate(rules):
            try:
                applies = rule.when is None or _is_true(rule.when.evaluate(self.root, self.headers))
            except EvaluationError as exc:
                errors.append(f"rules[{index}].when: {exc}")
                continue
            if applies and rule.action is Action.IGNORE:
                return Ignored(index, f"rules[{index}] ignores it")
            if applies:
                try:
                    return Match(index, rule.action, self._alias(rule), self._body(rule))
                except _UnusableEventError as exc:
                    return RuleFailed(index, f"rules[{index}].{exc}")
        return Ignored(None, "; ".join(["no rule applies", *errors]))

    def _alias(self, rule: Rule) -> Alias:
        key = self._value("key", rule.key)
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            msg = f"key: it must be a text or a whole number, not {_kind(key)}"
            raise _UnusableEventError(msg)
        try:
            return Alias(str(key))
        except ValueError as exc:
            msg = f"key: {exc}"
            raise _UnusableEventError(msg) from exc

    def _body(self, rule: Rule) -> bytes | None:
        match rule.action:
            case Action.COMPLETE if rule.result is None and self.raw is not None:
                return self._raw_body(self.raw)
            case Action.COMPLETE:
                return self._encode("result", self._result(rule.result))
            case Action.FAIL:
                return self._encode("message and details", self._failure(rule))
            case _:
                details = self._value("details", rule.details)
                return None if details is None else self._encode("details", details)

    def _raw_body(self, raw: bytes) -> bytes:
        if len(raw) > self.limit:
            msg = f"result: the event is longer than {self.limit:,} bytes; select less of it"
            raise _UnusableEventError(msg)
        if has_infinite_number(raw):
            msg = f"result: {OUT_OF_RANGE}"
            raise _UnusableEventError(msg)
        return raw

    def _result(self, result: Expression | None) -> Any:
        if result is None:
            return self.root
        value = self._value("result", result)
        if value is None and not result.may_be_null:
            msg = "result: the event has no such value; if it may, write <expression> || `null`"
            raise _UnusableEventError(msg)
        return value

    def _failure(self, rule: Rule) -> dict[str, Any]:
        failure: dict[str, Any] = {"message": self._text("message", rule.message)}
        if rule.type is not None:
            failure["type"] = self._text("type", rule.type)
        non_retryable = self._value("non_retryable", rule.non_retryable)
        if not isinstance(non_retryable, bool | None):
            msg = f"non_retryable: it must be true or false, not {_kind(non_retryable)}"
            raise _UnusableEventError(msg)
        failure["non_retryable"] = bool(non_retryable)
        details = self._value("details", rule.details)
        return failure if details is None else failure | {"details": details}

    def _text(self, name: str, expression: Expression | None) -> str:
        value = self._value(name, expression)
        if not isinstance(value, str) or not value:
            found = "an empty text" if value == "" else _kind(value)
            msg = (
                f"{name}: it must be a text, not {found}; a constant is written 'like this', and a"
                " default is written <expression> || 'like this'"
            )
            raise _UnusableEventError(msg)
        return value

    def _value(self, name: str, expression: Expression | None) -> Any:
        try:
            return None if expression is None else expression.evaluate(self.root, self.headers)
        except EvaluationError as exc:
            msg = f"{name}: {exc}"
            raise _UnusableEventError(msg) from exc

    def _encode(self, name: str, value: Any) -> bytes:
        try:
            return encode(value, limit=self.limit)
        except ValueError as exc:
            msg = f"{name}: {exc}"
            raise _UnusableEventError(msg) from exc


def _is_true(value: Any) -> bool:
    """Return whether JMESPath takes `value` for true."""
    return value is not None and value is not False and value not in ("", [], {})


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "an expression"
