"""The routes by which people decide on a page: by link, or signed in."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from ringback.core.receipt import Receipt
from ringback.domain import people_errors
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    ExpiredCallbackError,
    Problem,
    RetryableError,
    RingbackError,
)
from ringback.domain.link import Verb
from ringback.domain.outcome import Completed
from ringback.domain.vote import why_wrong_reason
from ringback.gateway.api.access import IdInPath
from ringback.gateway.encoded_bodies import read_form, to_ballot, to_fields
from ringback.gateway.gateway import Gateway, GatewayOf
from ringback.gateway.identity.csrf import CSRF_FIELD, Obstacle, find_obstacle
from ringback.gateway.identity.person import PersonOf, RequiredPerson
from ringback.gateway.page import render_page
from ringback.gateway.pages import form_values
from ringback.gateway.pages.form_values import FormValues
from ringback.gateway.pages.question import (
    QuestionView,
    Typed,
    Visit,
    find_question,
    open_by_link,
    open_by_person,
    show_question,
)
from ringback.gateway.replies import STATUS

router = APIRouter(include_in_schema=False)

Pairs: TypeAlias = Sequence[tuple[str, str]]
"""The fields of a form, in their order."""

_SEE_OTHER: Final = 303
_CONFLICT: Final = 409
_INVALID: Final = STATUS[people_errors.WrongVoteError]
_NOT_NOW: Final = (
    "This could not be stored now. Nothing you typed is lost: send it again in a moment."
)
_CHOICES: Final = {"approve": True, "reject": False}
_SHOWN_AGAIN: Final = (
    *(AnsweredDifferentlyError, ExpiredCallbackError, people_errors.ClaimedError),
    *(people_errors.NotAssignedError, people_errors.SubjectChangedError),
    *(people_errors.VotedDifferentlyError, people_errors.VoteWithdrawnError),
)
"""Errors after which the page shows what was typed, and why it was not used."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """What the form of a page sent.

    Attributes:
        typed: What was typed, with what is wrong with it.
        approved: The choice; a yes where people give the result itself.
        checked: The form or the result, if it counts.
        digest: The version of the subject that was shown.
        ballot: The ballot of this person that was shown.
        is_submitted: Whether the person meant to send it.
    """

    typed: Typed
    approved: bool
    checked: FormValues | None = field(repr=False)
    digest: str
    ballot: int
    is_submitted: bool

    @property
    def body(self) -> bytes | None:
        """The form or the result as JSON."""
        return None if self.checked is None else self.checked.body

    @property
    def has_problems(self) -> bool:
        """Whether something is wrong with it."""
        return bool(self.typed.problems or self.typed.own_problems)


@router.head("/inbox/{id}")
@router.get("/inbox/{id}")
async def show_to_person(
    *, gateway: GatewayOf, request: Request, callback_id: IdInPath, person: RequiredPerson
) -> Response:
    """Show a callback to a signed-in person. Changes nothing."""
    visit = Visit(gateway, request, open_by_person(callback_id, person))
    return await show_question(visit, await find_question(visit))


@router.post("/inbox/{id}/decide")
async def decide_in_inbox(
    *, gateway: GatewayOf, request: Request, callback_id: IdInPath, person: PersonOf
) -> Response:
    """Count the vote of a signed-in person."""
    pairs = await read_form(request, limit=gateway.body_limit)
    if person is None:
        return _show_signed_out(gateway, request, pairs)
    return await _decide(Visit(gateway, request, open_by_person(callback_id, person)), pairs)


@router.post("/inbox/{id}/withdraw")
async def withdraw_in_inbox(
    *, gateway: GatewayOf, request: Request, callback_id: IdInPath, person: PersonOf
) -> Response:
    """Take back the vote of a signed-in person."""
    pairs = await read_form(request, limit=gateway.body_limit)
    if person is None:
        return _show_signed_out(gateway, request, pairs)
    return await _withdraw(Visit(gateway, request, open_by_person(callback_id, person)), pairs)


@router.post("/c/{link}/decide")
async def decide_by_link(
    *, gateway: GatewayOf, request: Request, link: str, person: PersonOf
) -> Response:
    """Count the vote of a link's holder, or of the signed-in person who came by it."""
    door = open_by_link(gateway, link, person, verb=Verb.COMPLETE)
    pairs = await read_form(request, limit=gateway.body_limit)
    return await _decide(Visit(gateway, request, door), pairs)


@router.post("/c/{link}/withdraw")
async def withdraw_by_link(
    *, gateway: GatewayOf, request: Request, link: str, person: PersonOf
) -> Response:
    """Take back the vote of a link's holder."""
    door = open_by_link(gateway, link, person, verb=Verb.COMPLETE)
    pairs = await read_form(request, limit=gateway.body_limit)
    return await _withdraw(Visit(gateway, request, door), pairs)


async def _decide(visit: Visit, pairs: Pairs) -> Response:
    obstacle = _find_obstacle(visit, pairs)
    try:
        return await _count(visit, pairs, obstacle)
    except RetryableError as exc:
        kept = Obstacle(_NOT_NOW, None)
        return _show_kept(kept, pairs, status=STATUS[type(exc)])


async def _count(visit: Visit, pairs: Pairs, obstacle: Obstacle | None) -> Response:
    question = await find_question(visit)
    sent = _read(question, pairs)
    if obstacle is not None:
        return await show_question(
            visit, question, typed=sent.typed, obstacle=obstacle, status=_CONFLICT
        )
    if not sent.is_submitted:
        return await show_question(visit, question, typed=sent.typed)
    sent = await _check_schema(visit.gateway, question, sent)
    if sent.has_problems and question.is_waiting:
        return await show_question(visit, question, typed=sent.typed, status=_INVALID)
    try:
        await _store(visit, question, sent)
    except people_errors.WrongVoteError as exc:
        typed = _with_problems(sent.typed, exc.problems)
        return await show_question(visit, question, typed=typed, status=_INVALID)
    except _SHOWN_AGAIN as exc:
        return await _show_again(visit, sent.typed, exc)
    return _go_to(visit)


async def _withdraw(visit: Visit, pairs: Pairs) -> Response:
    obstacle = _find_obstacle(visit, pairs)
    question = await find_question(visit)
    if obstacle is not None:
        return await show_question(visit, question, obstacle=obstacle, status=_CONFLICT)
    try:
        ballot, door = to_ballot(to_fields(pairs).get("ballot", "")), visit.door
        await visit.gateway.vote_service.withdraw(door.callback_id, door.voter, ballot=ballot)
    except _SHOWN_AGAIN as exc:
        return await _show_again(visit, Typed(), exc)
    return _go_to(visit)


def _find_obstacle(visit: Visit, pairs: Pairs) -> Obstacle | None:
    sent = to_fields(pairs).get(CSRF_FIELD)
    return find_obstacle(visit.gateway, visit.request, sent, link=visit.door.link_text)


def _show_signed_out(gateway: Gateway, request: Request, pairs: Pairs) -> Response:
    """Return a page that keeps what was typed, for a person whose session has ended.

    It does not show the question: without a session, this may be anybody.
    """
    obstacle = find_obstacle(gateway, request, None)
    assert obstacle is not None, "there is no session"
    return _show_kept(obstacle, pairs, status=_CONFLICT)


def _show_kept(obstacle: Obstacle, pairs: Pairs, *, status: int) -> Response:
    kept = [(name, text) for name, text in pairs if name != CSRF_FIELD]
    shown = {"obstacle": obstacle, "kept": kept, "reason": to_fields(pairs).get("reason", "")}
    return render_page("not_sent.html", shown, status=status)


def _read(question: QuestionView, pairs: Pairs) -> _Sent:
    given = to_fields(pairs)
    choice = given.get("choice", "")
    reason = given.get("reason", "").replace("\r\n", "\n")
    values = None
    if question.form is not None:
        values = form_values.read_form(question.form, pairs)
    own_problems: dict[str, str] = {}
    if question.is_decision and choice not in _CHOICES:
        own_problems["choice"] = "choose whether you approve or reject"
    policy = question.policy
    approved = _CHOICES.get(choice, True)
    if policy is not None and "choice" not in own_problems:
        wrong = why_wrong_reason(policy, reason, approved=approved)
        own_problems |= {} if wrong is None else {"reason": wrong}
    checked = values if _is_asked(question, choice, values) else None
    return _Sent(
        Typed(choice, reason, values, checked.problems if checked else (), own_problems),
        approved,
        checked,
        given.get("digest", ""),
        to_ballot(given.get("ballot", "")),
        "~refresh" not in given and (values is None or values.is_submitted),
    )


def _is_asked(question: QuestionView, choice: str, values: FormValues | None) -> bool:
    """Return whether the form counts. A no needs none."""
    form, policy = question.form, question.policy
    if not question.is_decision or policy is None or form is None or values is None:
        return True
    # A yes to values that a page shows filled in is a yes to these, however the page writes them.
    if choice == "approve" and form_values.needs_form(policy, form):
        return True
    return choice != "reject" and form_values.is_filled_in(form, values)


async def _check_schema(gateway: Gateway, question: QuestionView, sent: _Sent) -> _Sent:
    values = sent.checked
    if question.schema is None or values is None or values.draft is None:
        return sent
    found = await gateway.results.problems(question.schema, values.draft)
    return replace(sent, typed=replace(sent.typed, problems=values.all_problems(found)))


def _with_problems(typed: Typed, problems: Sequence[Problem]) -> Typed:
    own = {one.path.lstrip("/"): one.message for one in problems if one.path in _OWN}
    in_form = [
        Problem(one.path.removeprefix("/form"), one.message)
        for one in problems
        if one.path not in _OWN
    ]
    return replace(typed, problems=in_form, own_problems=own)


_OWN: Final = frozenset({"/reason", "/choice", "/approved"})


async def _store(visit: Visit, question: QuestionView, sent: _Sent) -> Receipt:
    gateway, door = visit.gateway, visit.door
    if question.policy is None:
        outcome = Completed(sent.body)
        return await gateway.answer_service.accept(door.callback_id, outcome, serial=door.serial)
    return await gateway.vote_service.vote(
        door.callback_id,
        door.voter,
        approved=sent.approved,
        reason=sent.typed.reason.strip() or None,
        body=sent.body,
        digest=sent.digest,
        link_serial=door.serial,
        ballot=sent.ballot,
    )


async def _show_again(visit: Visit, typed: Typed, error: RingbackError) -> Response:
    message = str(error)
    obstacle = Obstacle(f"{message[:1].upper()}{message[1:]}.", None)
    question = await find_question(visit)
    status = STATUS[type(error)]
    return await show_question(visit, question, typed=typed, obstacle=obstacle, status=status)


def _go_to(visit: Visit) -> Response:
    headers = {"cache-control": "no-store"}
    path = visit.gateway.local_path(visit.door.path)
    return RedirectResponse(path, _SEE_OTHER, headers=headers)
