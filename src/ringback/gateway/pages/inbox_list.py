"""The list of an inbox as its page shows it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from ringback.core.inbox import MOST_COUNTED
from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.ending import name_end
from ringback.domain.errors import NotAllowedError
from ringback.domain.inbox import Cursor, InboxEntry, InboxQuery, Scope, Show, UnsentMessages
from ringback.domain.person import Person, to_name
from ringback.domain.policy import LONGEST_REASON
from ringback.domain.vote import find_vote
from ringback.gateway.gateway import Gateway
from ringback.gateway.identity.csrf import csrf_token
from ringback.gateway.identity.login import SIGN_OUT
from ringback.gateway.page import render_page
from ringback.gateway.pages.plain_words import (
    describe_tally,
    to_distance,
    to_moment,
)
from ringback.gateway.static_files import INBOX_SCRIPT, TIMES_SCRIPT

SCOPES: Final = {
    Scope.MINE: "Mine",
    Scope.GROUPS: "My groups'",
    Scope.ALL: "All",
}
SHOWS: Final = {Show.OPEN: "Open", Show.OVERDUE: "Overdue", Show.DECIDED: "Decided"}

_ADMINS_ONLY: Final = "only admins may list the questions to everybody"


@dataclass(frozen=True, slots=True)
class TypedBelowList:
    """What was typed below the list, shown again.

    Attributes:
        choice: `approve` or `reject`; empty if neither was chosen.
        reason: The reason.
        ticked: The values of the ticked rows.
        problems: What is wrong, in sentences.
    """

    choice: str = ""
    reason: str = ""
    ticked: frozenset[str] = frozenset()
    problems: Sequence[str] = field(default=())


def read_query(person: Person, fields: Mapping[str, str]) -> InboxQuery:
    """Return the query of a page's address. Unknown values are ignored, as if left out.

    Raises:
        NotAllowedError: This person may not list the questions to everybody.
    """
    scope = _find(Scope, fields.get("scope"), Scope.MINE)
    if scope is Scope.ALL and not person.is_admin:
        raise NotAllowedError(_ADMINS_ONLY)
    return InboxQuery(
        user=person.user,
        groups=person.groups,
        scope=scope,
        show=_find(Show, fields.get("show"), Show.OPEN),
        text=fields.get("q", "").strip(),
        after=_to_cursor(fields.get("after")),
    )


def to_address(query: InboxQuery, *, after: Cursor | None = None) -> str:
    """Return what follows `/inbox` in the address of a list."""
    named = {
        "scope": query.scope.value if query.scope is not Scope.MINE else "",
        "show": query.show.value if query.show is not Show.OPEN else "",
        "q": query.text,
        "after": "" if after is None else str(after),
    }
    written = urlencode({name: value for name, value in named.items() if value})
    return f"?{written}" if written else ""


async def show_list(
    gateway: Gateway,
    request: Request,
    person: Person,
    *,
    query: InboxQuery,
    typed: TypedBelowList = TypedBelowList(),
    status: int = 200,
) -> Response:
    """Return the page of a list."""
    # Before the list: what changes in between is noticed, and shown once more.
    state = await gateway.store.inbox_state(query)
    page = await gateway.inbox_service.list(query)
    counts = await gateway.inbox_service.count(query)
    now = gateway.clock.now()
    rows = [_to_row(entry, person, now) for entry in page.entries]
    address = to_address(query, after=query.after)
    shown = {
        "query": query,
        "scopes": list(_to_tabs(query, person, counts)),
        "shows": [
            {
                "name": name,
                "address": to_address(_replace(query, show=show)),
                "is_current": show is query.show,
            }
            for show, name in SHOWS.items()
        ],
        "rows": rows,
        "can_decide": any(row["value"] for row in rows),
        "next": None if page.next is None else to_address(query, after=page.next),
        "inbox": gateway.local_path("/inbox"),
        "to_sources": gateway.local_path("/sources"),
        "address": address,
        "events": _events(gateway, query, state),
        "script": gateway.local_path(INBOX_SCRIPT),
        "times_script": gateway.local_path(TIMES_SCRIPT),
        "now": format_instant(now),
        "csrf": csrf_token(gateway, request),
        "typed": typed,
        "person": person,
        "longest_reason": LONGEST_REASON,
        "session_csrf": csrf_token(gateway, request),
        "sign_out": gateway.local_path(SIGN_OUT),
    }
    return render_page("inbox.html", shown, status=status, has_script=True)


def _events(gateway: Gateway, query: InboxQuery, state: str) -> str:
    address = to_address(query, after=query.after)
    separator = "&" if address else "?"
    query_string = f"{address}{separator}{urlencode({'state': state})}"
    return gateway.local_path(f"/inbox/changes/events{query_string}")


def _to_tabs(
    query: InboxQuery, person: Person, counts: Mapping[Scope, int]
) -> Iterator[dict[str, Any]]:
    for scope, name in SCOPES.items():
        if scope is Scope.ALL and not person.is_admin:
            continue
        count = counts[scope]
        yield {
            "id": scope.value,
            "name": name,
            "count": f"{MOST_COUNTED - 1}+" if count >= MOST_COUNTED else str(count),
            "address": to_address(_replace(query, scope=scope)),
            "is_current": scope is query.scope,
        }


def _replace(
    query: InboxQuery, *, scope: Scope | None = None, show: Show | None = None
) -> InboxQuery:
    return InboxQuery(scope=scope or query.scope, show=show or query.show, text=query.text)


def _to_row(entry: InboxEntry, person: Person, now: datetime) -> dict[str, Any]:
    callback, voter = entry.callback, person.to_voter()
    policy = callback.options.policy
    assert policy is not None, "inboxes contain questions to people"
    is_open = callback.state is State.OPEN
    claimant = callback.claimant
    is_claimant = claimant is not None and person.is_user(claimant)
    own = find_vote(entry.votes, person.user)
    may_decide = is_open and policy.why_not(voter) is None and (claimant is None or is_claimant)
    ballot = callback.ballot_of(person.user)
    can_tick = may_decide and policy.is_decision and own is None
    deadline = callback.deadline_at
    row = {
        "id": callback.id,
        "title": title_of(callback),
        "workflow_id": callback.ref.workflow_id,
        "activity_type": callback.activity_type,
        "deadline": _to_time(deadline),
        "ended": _to_time(
            callback.accepted.accepted_at if callback.accepted else callback.expired_at
        ),
        "is_overdue": is_open and deadline is not None and deadline <= now,
        "assignees": [to_name(one) for one in policy.assignees],
        "claimant": claimant,
        "tally": describe_tally(policy, entry.votes) if is_open else "",
        "unsent": [_describe_unsent(one) for one in entry.unsent],
        "own": None if own is None else ("approved" if own.approved else "rejected"),
        "end": name_end(callback, entry.votes),
        "value": ":".join(map(str, (callback.id, callback.subject.digest, ballot)))
        if can_tick
        else None,
        "needs_page": may_decide and not policy.is_decision,
        "has_form": can_tick and policy.require_form and callback.schema_id is not None,
        "may_claim": may_decide and claimant is None and policy.approvals_needed == 1,
        "may_release": is_open and claimant is not None and (is_claimant or person.is_admin),
        "may_reassign": may_decide or (is_open and person.is_admin),
    }
    # The distance changes with time: it is not part of the version.
    row["version"] = sha256(repr(row).encode()).hexdigest()[:16]
    row["distance"] = None if deadline is None else to_distance(deadline, now)
    return row


def _to_time(at: datetime | None) -> dict[str, str] | None:
    return None if at is None else {"iso": format_instant(at), "text": to_moment(at)}


def title_of(callback: Callback) -> str:
    """Return what a person reads as the name of a question."""
    return callback.options.title or callback.activity_type


def _describe_unsent(unsent: UnsentMessages) -> str:
    # The reason may name hosts; `ringback show` has it.
    messages = "A message" if unsent.count == 1 else f"{unsent.count} messages"
    retry = "; the gateway retries" if unsent.is_retrying else ""
    return f"{messages} by {unsent.channel} could not be sent{retry}"


def _find(kind: Any, text: str | None, otherwise: Any) -> Any:
    return next((one for one in kind if one.value == text), otherwise)


def _to_cursor(text: str | None) -> Cursor | None:
    try:
        return None if text is None else Cursor.parse(text)
    except ValueError:
        return None
