"""The routes by which people decide many questions, and claim, release and reassign."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from ringback.core.inbox import DecidedQuestion, Ticked
from ringback.core.operations import get_callback
from ringback.core.receipt import Receipt
from ringback.domain.assignment import Actor
from ringback.domain.callback import Callback, State
from ringback.domain.errors import MalformedRequestError, RingbackError, UnknownCallbackError
from ringback.domain.ids import CallbackId
from ringback.domain.inbox import MOST_LISTED
from ringback.domain.people_errors import WrongVoteError
from ringback.domain.person import Person
from ringback.domain.policy import LONGEST_REASON
from ringback.gateway.api.access import to_callback_id
from ringback.gateway.encoded_bodies import read_form, to_ballot, to_fields
from ringback.gateway.gateway import Gateway, GatewayOf
from ringback.gateway.identity.csrf import CSRF_FIELD, csrf_token, find_obstacle
from ringback.gateway.identity.person import PersonOf, RequiredPerson
from ringback.gateway.page import render_page
from ringback.gateway.pages.inbox_list import TypedBelowList, read_query, show_list, title_of
from ringback.gateway.replies import STATUS

router = APIRouter(include_in_schema=False)

Pairs: TypeAlias = Sequence[tuple[str, str]]

_LARGEST: Final = 64 * 1024
"""Maximum bytes of these forms."""

_SEE_OTHER: Final = 303
_CONFLICT: Final = 409
_INVALID: Final = 422
_CHOICES: Final = {"approve": True, "reject": False}
_NOT_YOURS: Final = "there is no such question, or others are asked"
_HAS_FORM: Final = "it has a form with required fields: open it and fill them in there"


@router.post("/inbox/changes/votes")
async def decide_ticked(gateway: GatewayOf, request: Request, person: PersonOf) -> Response:
    """Give the same vote on all ticked questions, and say for each what happened."""
    read = await _read_change(gateway, request, person)
    if isinstance(read, Response):
        return read
    pairs, person = read
    fields = to_fields(pairs)
    typed, ticked = _read_decision(pairs)
    if typed.problems:
        query = read_query(person, _list_of(fields))
        return await show_list(gateway, request, person, query=query, typed=typed, status=_INVALID)
    decided = await gateway.inbox_service.decide(
        ticked,
        person.to_voter(),
        approved=_CHOICES[typed.choice],
        reason=typed.reason or None,
    )
    shown = {
        "results": [_to_result(one, person) for one in decided],
        "choice": "approval" if _CHOICES[typed.choice] else "rejection",
        "inbox": gateway.local_path("/inbox"),
        "back": _to_address(fields),
    }
    return render_page("inbox_decided.html", shown)


@router.post("/inbox/changes/claim")
async def claim(gateway: GatewayOf, request: Request, person: PersonOf) -> Response:
    """Claim a question for the signed-in person."""
    return await _change(gateway, request, person, act=gateway.vote_service.claim)


@router.post("/inbox/changes/release")
async def release(gateway: GatewayOf, request: Request, person: PersonOf) -> Response:
    """Release a question that the signed-in person has claimed."""
    return await _change(gateway, request, person, act=gateway.vote_service.release)


@router.head("/inbox/changes/reassign")
@router.get("/inbox/changes/reassign")
async def ask_whom(
    *,
    gateway: GatewayOf,
    request: Request,
    person: RequiredPerson,
    callback_id: Annotated[str, Query(alias="id")],
) -> Response:
    """Show the form that reassigns a question. Changes nothing."""
    callback = await _find_visible(gateway, person, callback_id)
    return _show_reassign(gateway, request, callback)


@router.post("/inbox/changes/reassign")
async def reassign(gateway: GatewayOf, request: Request, person: PersonOf) -> Response:
    """Ask other people instead."""
    read = await _read_change(gateway, request, person)
    if isinstance(read, Response):
        return read
    pairs, person = read
    fields = to_fields(pairs)
    callback = await _find_visible(gateway, person, fields.get("id", ""))
    names = fields.get("assignees", "").split("\n")
    assignees = [name.strip() for name in names if name.strip()]
    try:
        await gateway.vote_service.reassign(callback.id, assignees, _to_actor(person))
    except RingbackError as exc:
        return _show_reassign(gateway, request, callback, typed=fields.get("assignees"), error=exc)
    return _go_to_list(gateway, fields)


_Act: TypeAlias = Callable[[CallbackId, Actor], Awaitable[Callback]]


async def _change(
    gateway: Gateway, request: Request, person: Person | None, *, act: _Act
) -> Response:
    read = await _read_change(gateway, request, person)
    if isinstance(read, Response):
        return read
    pairs, person = read
    fields = to_fields(pairs)
    callback = await _find_visible(gateway, person, fields.get("id", ""))
    await act(callback.id, _to_actor(person))
    return _go_to_list(gateway, fields)


async def _read_change(
    gateway: Gateway, request: Request, person: Person | None
) -> tuple[Pairs, Person] | Response:
    """Return the form and who sent it; if it cannot be used yet, a page that keeps what was typed.

    Raises:
        CrossSiteRequestError: Another site sent it.
    """
    pairs = await read_form(request, limit=_LARGEST)
    fields = to_fields(pairs)
    obstacle = find_obstacle(gateway, request, fields.get(CSRF_FIELD))
    if obstacle is None:
        assert person is not None, "that nobody is signed in is an obstacle"
        return pairs, person
    kept = [(name, text) for name, text in pairs if name != CSRF_FIELD]
    kept.append((CSRF_FIELD, csrf_token(gateway, request)))
    shown = {"obstacle": obstacle, "kept": kept, "reason": fields.get("reason", "")}
    return render_page("not_sent.html", shown, status=_CONFLICT)


def _read_decision(pairs: Pairs) -> tuple[TypedBelowList, list[Ticked]]:
    fields = to_fields(pairs)
    values = list(dict.fromkeys(value for name, value in pairs if name == "ticked"))
    choice = fields.get("choice", "")
    reason = fields.get("reason", "").replace("\r\n", "\n").strip()
    ticked, problems = [], []
    for value in values:
        text, digest, ballot = (*value.split(":"), "", "")[:3]
        try:
            ticked.append(Ticked(to_callback_id(text), digest, to_ballot(ballot)))
        except UnknownCallbackError:
            problems.append("One of the ticked rows is not a question: reload the page.")
    if not values:
        problems.append("Tick the questions that you want to decide.")
    if len(values) > MOST_LISTED:
        problems.append(f"Decide at most {MOST_LISTED} questions at once.")
    if choice not in _CHOICES:
        problems.append("Choose whether you approve or reject.")
    if len(reason) > LONGEST_REASON:
        problems.append(f"Write a reason of at most {LONGEST_REASON} characters.")
    return TypedBelowList(choice, reason, frozenset(values), problems), ticked


def _to_result(decided: DecidedQuestion, person: Person) -> dict[str, Any]:
    callback, result = decided.callback, decided.result
    is_shown = callback is not None and _may_see(callback, person)
    said = {
        "id": decided.ticked.callback_id,
        "title": title_of(callback) if callback is not None and is_shown else None,
    }
    if isinstance(result, Receipt):
        text = (
            "Stored. It decides."
            if result.state is not State.OPEN
            else "Stored. Others must agree."
        )
        if result.is_duplicate:
            text = "You had voted like this before."
        return {**said, "is_stored": True, "text": text}
    message = _explain(result) if is_shown else _NOT_YOURS
    return {**said, "is_stored": False, "text": f"{message[:1].upper()}{message[1:]}."}


def _explain(error: RingbackError) -> str:
    """Return why something was not done, without the names of fields that programs use."""
    if not isinstance(error, WrongVoteError | MalformedRequestError):
        return str(error)
    if any(one.path.startswith("/form") for one in error.problems):
        return _HAS_FORM
    return "; ".join(one.message for one in error.problems)


def _may_see(callback: Callback, person: Person) -> bool:
    policy = callback.options.policy
    if policy is None:
        return False
    return person.is_admin or not policy.assignees or policy.is_assigned(person.to_voter())


async def _find_visible(gateway: Gateway, person: Person, text: str) -> Callback:
    """Return the question with the id `text`.

    Raises:
        UnknownCallbackError: It does not exist, or this person may not see it: nobody learns which.
    """
    callback = await get_callback(gateway.store, to_callback_id(text))
    if not _may_see(callback, person):
        raise UnknownCallbackError
    return callback


def _show_reassign(
    gateway: Gateway,
    request: Request,
    callback: Callback,
    *,
    typed: str | None = None,
    error: RingbackError | None = None,
) -> Response:
    policy = callback.options.policy
    assert policy is not None, "only questions to people are visible"
    message = "" if error is None else _explain(error)
    shown = {
        "id": callback.id,
        "title": title_of(callback),
        "assignees": "\n".join(policy.assignees) if typed is None else typed,
        "problem": f"{message[:1].upper()}{message[1:]}." if message else None,
        "csrf": csrf_token(gateway, request),
        "inbox": gateway.local_path("/inbox"),
    }
    status = 200 if error is None else STATUS[type(error)]
    return render_page("inbox_reassign.html", shown, status=status)


def _to_actor(person: Person) -> Actor:
    return Actor(person.to_voter(), is_operator=person.is_admin)


def _list_of(fields: Mapping[str, str]) -> dict[str, str]:
    return dict(parse_qsl(fields.get("list", "").removeprefix("?")))


def _to_address(fields: Mapping[str, str]) -> str:
    address = fields.get("list", "")
    return address if address.startswith("?") and address.isprintable() else ""


def _go_to_list(gateway: Gateway, fields: Mapping[str, str]) -> Response:
    headers = {"cache-control": "no-store"}
    path = gateway.local_path(f"/inbox{_to_address(fields)}")
    return RedirectResponse(path, _SEE_OTHER, headers=headers)
