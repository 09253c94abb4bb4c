"""A tool call that a person is asked about, and what came of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from ringback.domain.outcome import Completed, is_same_answer
from ringback.domain.policy import LONGEST_REASON
from ringback.domain.subject import MOST_DETAILS_BYTES

MOST_EDITED_BYTES: Final = 4 * MOST_DETAILS_BYTES
"""Maximum size of changed arguments: the model is shown them, and its prompt grows by as much."""

MOST_CALL_BYTES: Final = 256 * 1024
"""Larger calls do not reach the activity, which rejects what no message can show."""

_MOST_LEVELS: Final = 64

_INTEGERS: Final = range(-(2**63), 2**63)

ACTIVITY: Final = "ringback.approve_tool_call"
"""The type of the activity that asks."""

NOBODY_DECIDED: Final = "nobody decided in time"

Ending: TypeAlias = Literal["approved", "rejected", "nobody", "failed"]


@dataclass(frozen=True)
class ToolCall:
    """A call that an agent wants to make.

    Attributes:
        tool: The tool's name.
        arguments: Plain JSON.
        call_id: The model's name of the call. It is shown, and need not be unique.
        description: What the tool does, for people.
    """

    tool: str
    arguments: dict[str, Any] = field(repr=False)
    call_id: str | None = None
    description: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Question:
    """The argument of the activity that asks.

    Attributes:
        call: What people decide on.
        within: How many seconds they have.
        form: The JSON Schema of the arguments, with those of the call as its default; `None` if
            nobody may change them.
        assignees: The people who may decide, instead of those that the worker names.
        exclude: Users who may not decide, in addition to those that the worker names.
    """

    call: ToolCall
    within: float
    form: dict[str, Any] | None = field(default=None, repr=False)
    assignees: list[str] | None = None
    exclude: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Approval:
    """What came of a question about a tool call. A no is a value, never an exception.

    Attributes:
        call: The call that the agent wanted to make.
        ended: `approved`; `rejected` by a person; `nobody` decided in time; or asking `failed`.
        arguments: What to run the tool with if approved: those of the call, or as a person changed
            them.
        reason: Why not, or what the person said with a yes.
        by: The person; `link` for a holder of the link, `None` if nobody decided.
    """

    call: ToolCall
    ended: Ending
    arguments: dict[str, Any] = field(repr=False)
    reason: str | None = field(default=None, repr=False)
    by: str | None = None

    @property
    def approved(self) -> bool:
        """Whether the tool may run with `arguments`."""
        return self.ended == "approved"

    @property
    def is_edited(self) -> bool:
        """Whether a person changed the arguments."""
        return not is_same_json(self.arguments, self.call.arguments)

    @property
    def note(self) -> str | None:
        """What the model must know in addition to the tool's result; `None` if it ran as called."""
        if not (self.approved and self.is_edited):
            return None
        ran = json.dumps(self.arguments, ensure_ascii=False)
        return (
            f"A person changed the arguments of this call. {self.call.tool} ran with {ran}, and"
            " not with the arguments of the call. Do not repeat the original call."
        )

    def to_text(self, result: object = None) -> str:
        """Return the text for the model: why the tool did not run, or its result.

        Args:
            result: What the tool returned: text, or plain JSON.

        Example:
            >>> approval.to_text()
            '{"approved": false, "reason": "too much"}'
        """
        if not self.approved:
            return json.dumps({"approved": False, "reason": self.reason}, ensure_ascii=False)
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
        return text if self.note is None else f"{self.note}\n\n{text}"


def why_not_plain_json(call: ToolCall) -> str | None:
    """Return why a call cannot be sent as JSON in UTF-8 within limits; `None` if it can."""
    parts = [call.tool, call.arguments, call.call_id, call.description]
    if _is_deeper(call.arguments, _MOST_LEVELS):
        return f"the arguments are nested more than {_MOST_LEVELS} levels deep"
    try:
        size = len(json.dumps(parts, allow_nan=False, ensure_ascii=False).encode())
    except (ValueError, TypeError, RecursionError):
        return "the arguments are not plain JSON"
    return f"the call has more than {MOST_CALL_BYTES} bytes" if size > MOST_CALL_BYTES else None


def _is_deeper(value: Any, levels: int) -> bool:
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inner, list | tuple):
        return False
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner)


def is_same_json(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two plain JSON objects have the same value."""
    return is_same_answer(
        Completed(json.dumps(one).encode()), Completed(json.dumps(other).encode())
    )


def to_approval(call: ToolCall, decision: object, form: Mapping[str, Any] | None) -> Approval:
    """Return the approval that a decision of people, as plain JSON, means.

    Any other result means a no: only the command line of Temporal can write one.
    """
    if not isinstance(decision, dict) or not isinstance(decision.get("approved"), bool):
        return to_failure(call, "the answer is not a decision")
    reason, by = decision.get("reason"), decision.get("by")
    if not decision["approved"]:
        ended: Ending = "nobody" if decision.get("is_default") is True else "rejected"
        return Approval(call, ended, call.arguments, to_reason(reason), by)
    edited = decision.get("form")
    if edited is None or form is None:
        return Approval(call, "approved", call.arguments, reason, by)
    if not isinstance(edited, dict):
        return to_failure(call, "the changed arguments are not an object")
    if len(json.dumps(edited)) > MOST_EDITED_BYTES:
        # The model's next prompt could exceed what Temporal stores, and the workflow never end.
        msg = f"the changed arguments have more than {MOST_EDITED_BYTES} bytes"
        return to_failure(call, msg)
    edited = _with_integers(edited)
    if _has_long_integer(edited):
        # LangGraph cannot store it, and the workflow would never end.
        return to_failure(call, "the changed arguments have an integer of more than 64 bits")
    # A form shows the defaults of what the call left out.
    is_same = is_same_json(edited, {**_defaults(form), **call.arguments})
    return Approval(call, "approved", call.arguments if is_same else edited, reason, by)


def to_failure(call: ToolCall, reason: str) -> Approval:
    """Return the approval that says that nobody could decide."""
    return Approval(call, "failed", call.arguments, to_reason(reason))


def to_reason(reason: object) -> str:
    """Return why not, as bounded text."""
    text = reason if isinstance(reason, str) and reason.strip() else "no reason was given"
    return text[:LONGEST_REASON]


def _with_integers(value: Any) -> Any:
    """Return `value` with `20.0` as `20`, which is the same in JSON, and in Python no `int`."""
    match value:
        case float() if value.is_integer() and int(value) in _INTEGERS:
            return int(value)
        case dict():
            return {name: _with_integers(one) for name, one in value.items()}
        case list():
            return [_with_integers(one) for one in value]
        case _:
            return value


def _has_long_integer(value: Any) -> bool:
    match value:
        case int():
            return value not in _INTEGERS
        case dict():
            return any(map(_has_long_integer, value.values()))
        case list():
            return any(map(_has_long_integer, value))
        case _:
            return False


def _defaults(form: Mapping[str, Any]) -> dict[str, Any]:
    properties = form.get("properties", {})
    return {
        name: one["default"]
        for name, one in properties.items()
        if isinstance(one, dict) and "default" in one
    }
