"""The page of one callback: what is asked, a form, and how it ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from ringback.core.status import CallbackStatus
from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.ending import describe_end
from ringback.domain.errors import Problem, UnknownCallbackError
from ringback.domain.ids import CallbackId
from ringback.domain.link import Link, Verb
from ringback.domain.person import Person, to_name
from ringback.domain.policy import (
    LINK_HOLDER,
    Policy,
    RequireReason,
    Voter,
    is_among,
    to_person,
)
from ringback.domain.vote import Vote, find_vote
from ringback.gateway.gateway import Gateway
from ringback.gateway.identity.csrf import Obstacle, csrf_token
from ringback.gateway.identity.login import INBOX, SIGN_IN, SIGN_OUT
from ringback.gateway.page import render_page
from ringback.gateway.pages.form_model import Form
from ringback.gateway.pages.form_schema import to_form
from ringback.gateway.pages.form_values import FormValues, initial_values, needs_form
from ringback.gateway.pages.plain_words import (
    ABOUT_PEOPLE,
    PROOFS,
    describe_entry,
    describe_rules,
    describe_tally,
    to_distance,
    to_moment,
)
from ringback.gateway.pages.subject import render_markdown, to_shown_details
from ringback.gateway.static_files import TIMES_SCRIPT
from ringback.gateway.view import to_view

ANY_JSON: Final[Mapping[str, Any]] = {"title": "Answer"}
"""The schema of a result where the activity accepts any JSON."""


@dataclass(frozen=True, slots=True)
class Door:
    """How somebody came to the page.

    Attributes:
        callback_id: The callback.
        path: The page's path, below the public URL.
        voter: The person who decides here.
        person: The signed-in person, if any.
        link: The content of the link, if they came by one.
        link_text: The signed link itself.
    """

    callback_id: CallbackId
    path: str
    voter: Voter
    person: Person | None = None
    link: Link | None = None
    link_text: str | None = field(default=None, repr=False)

    @property
    def serial(self) -> int | None:
        """The serial of the link."""
        return None if self.link is None else self.link.serial


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed, shown again.

    Attributes:
        choice: `approve` or `reject`; empty if neither was chosen.
        reason: The reason.
        values: The form, or the result.
        problems: What is wrong with the form, by JSON Pointer.
        own_problems: What is wrong with choice and reason, by name.
    """

    choice: str = ""
    reason: str = ""
    values: FormValues | None = None
    problems: Sequence[Problem] = ()
    own_problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuestionView:
    """A callback as the page shows it.

    Attributes:
        seen: The callback, with the state of its activity.
        votes: The votes that count.
        form: The form beside a decision, or of the result; `None` without one.
        schema: The JSON Schema of that form, as text.
    """

    seen: CallbackStatus
    votes: Sequence[Vote]
    form: Form | None
    schema: str | None

    @property
    def callback(self) -> Callback:
        """The callback."""
        return self.seen.callback

    @property
    def policy(self) -> Policy | None:
        """The rules about who may decide."""
        return self.callback.options.policy

    @property
    def is_decision(self) -> bool:
        """Whether people approve or reject."""
        return self.policy is not None and self.policy.is_decision

    @property
    def is_waiting(self) -> bool:
        """Whether the activity waits for an answer, if Temporal replied."""
        is_gone = self.seen.is_live and self.seen.pending is None
        return self.callback.state is State.OPEN and not is_gone


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for the page.

    Attributes:
        gateway: The gateway.
        request: The request.
        door: How somebody came to the page.
    """

    gateway: Gateway
    request: Request
    door: Door


def open_by_link(
    gateway: Gateway, link: str, person: Person | None, *, verb: Verb = Verb.VIEW
) -> Door:
    """Return how a holder of `link`, which must allow `verb`, came to the page.

    A signed-in person votes as that person where it matters who decides.

    Raises:
        UnknownCallbackError: The link is invalid, has expired, or does not allow `verb`.
    """
    verified = gateway.verify(link, verb)
    voter = Voter(LINK_HOLDER) if person is None else person.to_voter()
    return Door(verified.callback_id, f"/c/{link}", voter, person, verified, link)


def open_by_person(callback_id: CallbackId, person: Person) -> Door:
    """Return how a signed-in person came to the page."""
    return Door(callback_id, f"/inbox/{callback_id}", person.to_voter(), person)


async def find_question(visit: Visit) -> QuestionView:
    """Return the callback of a page.

    Raises:
        UnknownCallbackError: It does not exist, or this person may not see it.
    """
    gateway, door = visit.gateway, visit.door
    seen = await gateway.status_service.view(door.callback_id, serial=door.serial)
    callback = seen.callback
    votes = await gateway.vote_service.votes(callback.id)
    if door.link is None and not _may_see(callback, votes, door):
        raise UnknownCallbackError
    schema_id = callback.schema_id
    schema = None if schema_id is None else (await gateway.store.schemas([schema_id]))[schema_id]
    is_decision = callback.options.policy is not None and callback.options.policy.is_decision
    if schema is None and is_decision:
        return QuestionView(seen, votes, None, None)
    return QuestionView(seen, votes, to_form(json.loads(schema) if schema else ANY_JSON), schema)


def _may_see(callback: Callback, votes: Sequence[Vote], door: Door) -> bool:
    policy, person = callback.options.policy, door.person
    if person is None:
        return False
    if person.is_admin or find_vote(votes, person.user) is not None:
        return True
    return policy is not None and (not policy.assignees or policy.is_assigned(door.voter))


async def show_question(
    visit: Visit,
    question: QuestionView,
    *,
    typed: Typed | None = None,
    obstacle: Obstacle | None = None,
    status: int = 200,
) -> Response:
    """Return the page, with what was typed and why it was not used, if it was not."""
    gateway, door = visit.gateway, visit.door
    entries = await gateway.store.audit_trail(door.callback_id)
    now, callback, policy = gateway.clock.now(), question.callback, question.policy
    typed = typed or Typed()
    # A link may reach people who have nothing to do with it.
    sees_people = door.person is not None or policy is None or policy.link_may_decide
    form = question.form
    own = find_vote(question.votes, door.voter.user)
    shown = {
        "callback": callback,
        "subject": callback.subject,
        "description": render_markdown(callback.subject.description or ""),
        "details": to_shown_details(callback.subject.details or callback.options.metadata),
        "is_waiting": question.is_waiting,
        "is_decision": question.is_decision,
        "end": describe_end(callback),
        "deadline": _to_time(callback.deadline_at, now),
        "opened": _to_time(callback.opened_at, now),
        "assignees": [to_name(one) for one in policy.assignees] if policy else [],
        "rules": describe_rules(policy) if policy else "",
        "tally": describe_tally(policy, question.votes) if policy else "",
        "votes": [_to_shown_vote(vote, now) for vote in question.votes] if sees_people else [],
        "own_vote": own,
        "may_withdraw": own is not None and question.is_waiting and own.proof is door.voter.proof,
        "why_not": _why_no_form(question, door),
        "needs_reason": policy.require_reason.value if policy else RequireReason.NEVER.value,
        "form": form,
        "needs_form": form is not None and policy is not None and needs_form(policy, form),
        "values": typed.values or (initial_values(form) if form else None),
        "typed": typed,
        "obstacle": obstacle,
        "history": [
            {"at": _to_time(entry.at, now), "text": text}
            for entry in entries
            if (sees_people or entry.kind not in ABOUT_PEOPLE)
            and (text := describe_entry(entry)) is not None
        ],
        "person": door.person,
        "sign_in": gateway.local_path(f"{SIGN_IN}?next={door.path}"),
        "session_csrf": csrf_token(gateway, visit.request) if door.person else None,
        "sign_out": gateway.local_path(SIGN_OUT),
        "to_inbox": gateway.local_path(INBOX),
        "action": gateway.local_path(door.path),
        "csrf": csrf_token(gateway, visit.request, link=door.link_text),
        "now": format_instant(now),
        "times_script": gateway.local_path(TIMES_SCRIPT),
        "ballot": callback.ballot_of(door.voter.user),
        "program": _to_program(gateway, door, question),
    }
    return render_page("question.html", shown, status=status, has_script=True)


def _why_no_form(question: QuestionView, door: Door) -> str | None:
    """Return why this person cannot decide; `None` if they can."""
    policy, callback = question.policy, question.callback
    if door.link is not None and Verb.COMPLETE not in door.link.verbs:
        return "This link only shows the question."
    if policy is None:
        return None
    if (why := policy.why_not(door.voter)) is not None:
        return f"{why[:1].upper()}{why[1:]}."
    claimant = callback.claimant
    if claimant is not None and not is_among(claimant, [door.voter.user]):
        return f"{claimant} has claimed this. You can decide once it is released."
    return None


def _to_time(at: datetime | None, now: datetime) -> dict[str, str] | None:
    if at is None:
        return None
    return {"iso": format_instant(at), "text": to_moment(at), "distance": to_distance(at, now)}


def _to_shown_vote(vote: Vote, now: datetime) -> dict[str, Any]:
    return {
        "who": to_person(vote.user),
        "approved": vote.approved,
        "reason": vote.reason,
        "proof": PROOFS[vote.proof],
        "at": _to_time(vote.at, now),
    }


def _to_program(gateway: Gateway, door: Door, question: QuestionView) -> dict[str, Any] | None:
    """Return how a program can answer by this link; `None` where only people can."""
    policy = question.policy
    if door.link is None or door.link_text is None or (policy and not policy.link_may_decide):
        return None
    view = to_view(question.seen, door.link, gateway.link_url(door.link_text))
    return {"examples": view["examples"], "schema": view["result_schema"]}
