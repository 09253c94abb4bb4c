"""Commands that show callbacks and their audit trails."""

import json
import shlex
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import typer

from ringback.app.program import run
from ringback.cli.gateway import call_gateway, operator_client, operator_target
from ringback.cli.listing import (
    Fields,
    Record,
    line_of_vote,
    lines_of_facts,
    print_list,
    printable,
)
from ringback.cli.params import (
    AliasOption,
    AsJson,
    CallbackArgument,
    OptionalCallback,
    duration_option,
    one_callback,
    to_alias,
    to_callback_id,
)
from ringback.client.gateway_client import Filters, GatewayClient
from ringback.core.services import SystemClock
from ringback.domain.alias import Alias
from ringback.domain.callback import MOVES, State
from ringback.domain.durations import format_instant
from ringback.domain.ids import CallbackId
from ringback.schemas.responses import AuditEntryOut, CallbackOut, NotificationOut, ShownOut
from ringback.schemas.votes import VoteOut

_POLL_EVERY: Final = timedelta(milliseconds=500)
_MOST_LISTED: Final = 1000


def list_callbacks(
    state: Annotated[
        list[State] | None,
        typer.Option(
            metavar="STATE",
            help="Only this state; may be repeated. Default: open, accepted and parked.",
        ),
    ] = None,
    workflow_id: Annotated[str | None, typer.Option(help="Only this workflow.")] = None,
    workflow_type: Annotated[str | None, typer.Option(help="Only this workflow type.")] = None,
    activity_type: Annotated[str | None, typer.Option(help="Only this activity type.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only callbacks with this tag.")] = None,
    alias: Annotated[
        Alias | None,
        typer.Option(
            parser=to_alias,
            metavar="ALIAS",
            help="Only callbacks with this alias; of ended ones, add --state.",
        ),
    ] = None,
    older_than: Annotated[
        timedelta | None, duration_option("Opened at least this long ago: 90m, 2d.")
    ] = None,
    newer_than: Annotated[
        timedelta | None, duration_option("Opened at most this long ago: 90m, 2d.")
    ] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only open callbacks whose deadline has passed.")
    ] = False,
    after: Annotated[
        str | None,
        typer.Option(
            parser=to_callback_id,
            metavar="CALLBACK",
            help="Begin after this callback, for the next page.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=_MOST_LISTED, help="Maximum number of callbacks.")
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """List callbacks, the oldest first."""
    opened_after = None if newer_than is None else SystemClock().now() - newer_than
    filters: Filters = {
        "state": [one.value for one in state or []],
        "workflow_id": workflow_id,
        "workflow_type": workflow_type,
        "activity_type": activity_type,
        "tag": tag,
        "alias": None if alias is None else alias.text,
        "older_than": None if older_than is None else str(older_than.total_seconds()),
        "opened_after": None if opened_after is None else format_instant(opened_after),
        "overdue": "true" if overdue else None,
        "after": after,
        "limit": str(limit),
    }
    page = call_gateway(lambda client: client.page(filters))
    if as_json:
        print(page.model_dump_json())
        return
    if not page.callbacks:
        print(f"no callbacks at {operator_target().url}")
        return
    print_callbacks(page.callbacks, now=SystemClock().now())
    if page.next is not None:
        print(f"the first {limit}; for more: --after {page.next}")


def show(
    callback_id: OptionalCallback = None, alias: AliasOption = None, as_json: AsJson = False
) -> None:
    """Show one callback, its audit trail, and how to answer it."""
    callback, votes, happened = call_gateway(
        lambda client: _find(client, one_callback(callback_id, alias))
    )
    if as_json:
        more = {
            "votes": [vote.model_dump(mode="json") for vote in votes],
            "audit_trail": [entry.model_dump(mode="json") for entry in happened],
        }
        print(json.dumps({**callback.model_dump(mode="json"), **more}))
        return
    print(*lines_of(callback), sep="\n")
    if votes:
        print("", *map(line_of_vote, votes), sep="\n")
    print("", *map(line_of, happened), sep="\n")
    if callback.state == State.OPEN.value:
        print("", *ways_to_answer(callback), sep="\n")


def audit(
    callback_id: CallbackArgument,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Wait for more entries until the callback has ended."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the audit trail of a callback, one entry per line."""
    run(_print_entries(callback_id, follow=follow, as_json=as_json))


async def _find(
    client: GatewayClient, named: CallbackId | Alias
) -> tuple[ShownOut, list[VoteOut], list[AuditEntryOut]]:
    callback = await client.show(named)
    votes = [] if callback.policy is None else await client.votes(callback.id)
    return callback, votes, await client.audit_trail(callback.id)


async def _print_entries(callback_id: str, *, follow: bool, as_json: bool) -> None:
    async with operator_client() as client:
        async for entry in _happening(client, callback_id, follow=follow):
            print(entry.model_dump_json() if as_json else line_of(entry), flush=True)


async def _happening(
    client: GatewayClient, callback_id: str, *, follow: bool
) -> AsyncIterator[AuditEntryOut]:
    printed = 0
    while True:
        callback = await client.show(callback_id)
        # Read after the state, so that the entries of the end are included.
        happened = await client.audit_trail(callback_id)
        for entry in happened[printed:]:
            yield entry
        printed = len(happened)
        if not follow or not MOVES[State(callback.state)]:
            return
        await SystemClock().sleep(_POLL_EVERY)


def print_callbacks(found: Sequence[CallbackOut], *, now: datetime) -> None:
    """Print a list of callbacks; with a column of titles if one has a title."""
    titles = ["title"] if any(callback.title for callback in found) else []
    names = ["callback", "state", *titles, "activity", "workflow", "attempt", "opened", "deadline"]
    narrow = ["waits for", "workflow", "state", "opened", "deadline"]
    fields = Fields(names, minor=frozenset({"activity", "attempt"}), narrow=narrow)
    print_list(fields, [_to_record(callback) for callback in found], now=now)


def _to_record(callback: CallbackOut) -> Record:
    return {
        "callback": callback.id,
        "state": callback.state,
        "title": callback.title,
        "waits for": callback.title or callback.activity_type,
        "activity": callback.activity_type,
        "workflow": callback.workflow_id,
        "attempt": str(callback.attempt),
        "opened": callback.opened_at,
        "deadline": callback.deadline_at,
    }


def lines_of(callback: ShownOut) -> list[str]:
    """Return a line for each member of the callback that has a value."""
    facts = callback.model_dump(mode="json", exclude={"result_example", "notifications"})
    for inner in ("heartbeat", "outcome"):
        facts |= {f"{inner} {name}": value for name, value in (facts.pop(inner) or {}).items()}
    known = {
        name.replace("_", " "): _plain(value)
        for name, value in facts.items()
        if value is not None and value not in ({}, [])
    }
    known |= {
        f"{one.channel} {one.recipient}".rstrip(): _describe(one) for one in callback.notifications
    }
    return lines_of_facts(known)


def _describe(message: NotificationOut) -> str:
    sent_at = "" if message.sent_at is None else format_instant(message.sent_at)
    return f"{message.state} {message.last_error or sent_at}".rstrip()


def ways_to_answer(callback: ShownOut) -> Iterator[str]:
    """Yield the commands that answer an open callback, with a result that would be accepted."""
    yield "Answer it with one of:"
    if callback.policy is not None:
        yield from _ways_to_decide(callback)
        return
    yield printable(f"  ringback complete {callback.id} {_result_of(callback)}")
    yield f"  ringback fail {callback.id} --message 'what went wrong'"


def _ways_to_decide(callback: ShownOut) -> Iterator[str]:
    policy: Any = callback.policy
    if not policy["is_decision"]:
        yield printable(
            f"  ringback approve {callback.id} --by USER --result {_result_of(callback)}"
        )
        return
    who = _voter_of(policy["assignees"])
    schema = callback.result_schema
    parts = schema.get("$defs", {}) if isinstance(schema, dict) else {}
    form = _form_of(parts["form"]) if "form" in parts else ""
    is_needed = policy["require_form"]
    yield printable(f"  ringback approve {callback.id} {who}{form if is_needed else ''}")
    if form and not is_needed:
        yield printable(f"  ringback approve {callback.id} {who}{form}  (with changes)")
    yield printable(f"  ringback reject {callback.id} {who} --reason 'why'")


def _voter_of(assignees: Sequence[str]) -> str:
    """Return the options that name a person who may decide."""
    groups = [one.removeprefix("group:") for one in assignees if one.startswith("group:")]
    # Where users are named too, a member of no group may decide.
    is_by_group = groups and len(groups) == len(assignees)
    return f"--by USER --group {shlex.quote(groups[0])}" if is_by_group else "--by USER"


def _form_of(schema: Any) -> str:
    filled_in = schema.get("default") if isinstance(schema, dict) else None
    if filled_in is None:
        return " --form FORM  (JSON that meets `form` of the result schema)"
    return f" --form {shlex.quote(json.dumps(filled_in, ensure_ascii=False))}"


def _result_of(callback: ShownOut) -> str:
    if callback.result_example is not None:
        return shlex.quote(json.dumps(callback.result_example, ensure_ascii=False))
    return "RESULT  (JSON that meets the result schema)" if callback.result_schema else "RESULT"


def line_of(entry: AuditEntryOut) -> str:
    """Return an entry as one line without control characters."""
    return printable(
        f"{format_instant(entry.at.replace(microsecond=0))}  {entry.kind}  {_facts(entry)}".rstrip()
    )


def _plain(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _facts(entry: AuditEntryOut) -> str:
    return ", ".join(f"{name}: {value}" for name, value in entry.facts.items())
