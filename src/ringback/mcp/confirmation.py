"""The confirmation of a decision: a person reads what would be sent, in a form of their client.

The model chooses the arguments of a tool, so only the client's form shows that a person agrees.
From 2026-07-28 on the form is part of the tool's result, and the client calls again with the reply.
Older clients are sent a request of its own meanwhile.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    ClientCapabilities,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import is_version_at_least

from ringback.domain.policy import LONGEST_REASON
from ringback.mcp.forms import flat_form
from ringback.mcp.questions import policy_of, title_of
from ringback.mcp.texts import REMOVED, clean, to_line, without_urls
from ringback.schemas.responses import ShownOut

REASON: Final = "vote_reason"
"""The field of a confirmation with the reason; forms with such a field are shown as JSON."""

LONGEST_MESSAGE: Final = 8000
"""A person approves only what the confirmation shows whole, and longer ones are not read."""

SECONDS: Final = 600.0
"""How long a person has; as long as the package seals the state of a call."""

_KEY: Final = "confirm"
_IN_RESULTS_FROM: Final = "2026-07-28"
_LONGEST_LINE: Final = 2 * LONGEST_MESSAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A decision before it is sent.

    Attributes:
        approved: A yes or a no.
        by: The user who votes.
        digest: The version that the person saw.
        ballot: How many votes the user has withdrawn.
        reason: Why.
        form: The form of a yes, or the result that people give; `None` without one.
        has_form: Whether `form` counts; null may be a form.
    """

    approved: bool
    by: str
    digest: str
    ballot: int = 0
    reason: str | None = field(default=None, repr=False)
    form: Any = field(default=None, repr=False)
    has_form: bool = False


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a client shows to the person.

    Attributes:
        message: What would be sent, and about what.
        schema: The fields of the form.
        asks_form: Whether the fields of the question's own form are among them.
        unchanged: What the fields show, where a yes without a form means exactly that.
    """

    message: str = field(repr=False)
    schema: dict[str, Any] = field(repr=False)
    asks_form: bool
    unchanged: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """A digest of all that the person sees."""
        return sha256(json.dumps([self.message, self.schema]).encode()).hexdigest()


def can_ask(capabilities: ClientCapabilities | None) -> bool:
    """Return whether a client shows forms; it says so without naming a mode, too."""
    elicitation = None if capabilities is None else capabilities.elicitation
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def new_confirmation(
    question: ShownOut, draft: Draft, schema: dict[str, Any] | None
) -> Confirmation | None:
    """Return the confirmation of `draft`; `None` if it cannot show the whole question.

    Args:
        question: The question, in the version that is decided.
        draft: The decision.
        schema: What `form_schema` returned for a yes; `None` for a no, or without a form.
    """
    policy = policy_of(question)
    given = draft.form if isinstance(draft.form, dict) else {}
    flat = None if schema is None else flat_form(schema, given)
    if flat is not None and REASON in flat["properties"]:
        flat = None
    unchanged = None
    if schema is not None and flat is not None and policy.is_decision and not policy.require_form:
        unchanged = _find_unchanged(schema["$defs"]["form"], draft, flat["properties"])
        flat = None if unchanged is None else flat
    message = "\n".join(_lines(question, draft, has_fields=flat is not None))
    # What is removed could hide what the person approves.
    if len(message) > LONGEST_MESSAGE or REMOVED in message:
        return None
    fields = {} if flat is None else flat["properties"]
    needed = [] if flat is None else flat["required"]
    whole = {
        "type": "object",
        "properties": {**fields, REASON: _reason_field(draft.reason)},
        "required": [*needed, *([REASON] if _needs_reason(question, draft) else [])],
    }
    return Confirmation(message, whole, asks_form=flat is not None, unchanged=unchanged)


def to_confirmed(draft: Draft, reply: ElicitResult, confirmation: Confirmation) -> Draft:
    """Return the decision with what the person filled in."""
    content = {name: value for name, value in (reply.content or {}).items() if value is not None}
    reason = content.pop(REASON, None)
    confirmed = replace(draft, reason=reason if isinstance(reason, str) and reason else None)
    if not confirmation.asks_form:
        return confirmed
    if confirmation.unchanged is None:
        return replace(confirmed, form=content, has_form=True)
    form = _to_changed(content, confirmation.schema, confirmation.unchanged)
    return confirmed if form is None else replace(confirmed, form=form, has_form=True)


async def ask(
    context: Context[Any, Any], confirmation: Confirmation, *, ballot: int
) -> tuple[ElicitResult, int] | InputRequiredResult:
    """Return the reply of the person and the ballot they were asked for, or the request for it.

    Raises:
        ToolError: The person was asked something else, or did not reply in time.
    """
    version = context.protocol_version
    if version is None or not is_version_at_least(version, _IN_RESULTS_FROM):
        return await _ask_now(context, confirmation), ballot
    responses = context.input_responses
    if not responses:
        params = ElicitRequestFormParams(
            message=confirmation.message, requested_schema=confirmation.schema
        )
        state = json.dumps({"asked": confirmation.digest, "ballot": ballot})
        return InputRequiredResult(
            input_requests={_KEY: ElicitRequest(params=params)}, request_state=state
        )
    # The package has checked that this process made the state, for the same call.
    asked = json.loads(context.request_state or "{}")
    reply = responses.get(_KEY)
    if asked.get("asked") != confirmation.digest or not isinstance(reply, ElicitResult):
        msg = "the question changed while the person was asked, so nothing was sent; show it again"
        raise ToolError(msg)
    return reply, asked["ballot"]


def _find_unchanged(
    form: Mapping[str, Any], draft: Draft, fields: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Return what a yes means that changes nothing; `None` if the fields do not show all of it."""
    own = form.get("default") or {}
    meant = draft.form if draft.has_form else own
    if not isinstance(meant, dict) or not meant or not own.keys() <= meant.keys():
        return None
    is_shown = all(
        name in fields and fields[name].get("default") == value for name, value in meant.items()
    )
    return meant if is_shown else None


def _to_changed(
    content: Mapping[str, Any], schema: dict[str, Any], unchanged: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the form with what the person changed; `None` if they changed nothing.

    What nobody touches stays exactly as it was, also where a field shows a default.
    """
    fields = {name: one for name, one in schema["properties"].items() if name != REASON}
    shown = {name: one["default"] for name, one in fields.items() if "default" in one}
    if not content and set(schema["required"]) & set(fields):
        # The client did not show the fields: it would have asked for the required ones.
        return None
    # Some clients send an empty text for a field that nobody touched.
    changed = {name: value for name, value in content.items() if value != shown.get(name, "")}
    removed = shown.keys() - content.keys()
    if not changed and not removed:
        return None
    kept = {name: value for name, value in unchanged.items() if name not in removed}
    return {**kept, **changed}


async def _ask_now(context: Context[Any, Any], confirmation: Confirmation) -> ElicitResult:
    try:
        async with asyncio.timeout(SECONDS):
            reply: ElicitResult = await context.session.elicit_form(
                confirmation.message, confirmation.schema, context.request_id
            )
            return reply
    except TimeoutError as exc:
        msg = f"the person did not reply within {SECONDS:g} seconds, so nothing was sent"
        raise ToolError(msg) from exc


def _lines(question: ShownOut, draft: Draft, *, has_fields: bool) -> list[str]:
    policy = policy_of(question)
    verb = "Approve" if draft.approved else "Reject"
    act = f"{verb} this question" if policy.is_decision else "Answer this question"
    lines = [
        f"{act} as {clean(draft.by, LONGEST_MESSAGE)}?",
        f"Title: {_outside(title_of(question))}",
        f"Activity: {_outside(question.activity_type)}",
        f"Workflow: {_outside(question.workflow_id)}",
    ]
    # Each line is marked, so that none looks like one of Ringback.
    lines += [
        f"> {without_urls(clean(line, _LONGEST_LINE))}"
        for line in (question.description or "").splitlines()
    ]
    lines += [f"{_outside(name)}: {_outside(value)}" for name, value in question.details.items()]
    if draft.has_form:
        # Also with fields: a client may not show what they begin with.
        sent = "Form that is sent unless you change it" if has_fields else "Form that is sent"
        lines.append(f"{sent}: {_outside(draft.form)}")
    lines.append(f"Callback: {question.id}, version {question.digest}")
    return lines


def _outside(value: Any) -> str:
    return without_urls(to_line(value, _LONGEST_LINE))


def _reason_field(reason: str | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": "string",
        "title": "Reason",
        "description": "Sent with the decision.",
        "maxLength": LONGEST_REASON,
    }
    # A changed reason would be sent without the person's knowledge.
    is_shown = reason is not None and reason == clean(reason, LONGEST_REASON)
    return {**shown, "default": reason} if is_shown else shown


def _needs_reason(question: ShownOut, draft: Draft) -> bool:
    return policy_of(question).needs_reason(approved=draft.approved)
