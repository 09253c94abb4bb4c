"""Commands that show the configured sources, and what they refused."""

from collections.abc import Iterator
from typing import Annotated, Final

import typer

from ringback.cli.gateway import call_gateway
from ringback.cli.listing import Fields, Record, lines_of_facts, print_list, printable
from ringback.cli.params import AsJson, read_file, to_header
from ringback.core.services import SystemClock
from ringback.domain.durations import format_instant
from ringback.domain.event_errors import UnknownSourceError
from ringback.schemas.sources import RefusedOut, SourceOut, TestedEventOut

_FIELDS: Final = Fields(
    [
        *("source", "provider", "last event", "waiting", "accepted", "refused", "rate limited"),
        *("rules", "secrets", "url"),
    ],
    minor=frozenset({"rules", "secrets", "url", "rate limited"}),
    narrow=["source", "last event", "accepted", "refused"],
)
_REFUSED: Final = Fields(
    ["last", "reason", "count", "bytes", "message"],
    minor=frozenset({"bytes"}),
    narrow=["last", "reason", "message"],
)
_NOT_REFUSED: Final = frozenset({"accepted", "duplicate", "handshake", "rate_limited"})

sources: Final = typer.Typer(invoke_without_command=True)

_Name = Annotated[str, typer.Argument(help="The source.", metavar="SOURCE")]


@sources.command("list", help="List the configured sources; the same as without `list`.")
@sources.callback()
def list_sources(context: typer.Context, as_json: AsJson = False) -> None:
    """List the configured sources; show one, and what it refused.

    The gateway reads them from ringback.toml when it starts. It counts requests since then.
    """
    if context.invoked_subcommand is not None:
        return
    found = call_gateway(lambda client: client.sources())
    if as_json:
        print(found.model_dump_json(indent=2))
    elif not found.sources:
        print("no sources are configured; write [sources.NAME] into ringback.toml")
    else:
        print_list(_FIELDS, [_to_record(one) for one in found.sources], now=SystemClock().now())


@sources.command()
def show(source: _Name, as_json: AsJson = False) -> None:
    """Show a source: its URL, its rules, and what its provider does not sign."""
    found = call_gateway(lambda client: client.sources())
    one = next((one for one in found.sources if one.name == source), None)
    if one is None:
        raise UnknownSourceError(source)
    print(
        one.model_dump_json(indent=2)
        if as_json
        else "\n".join(lines_of_facts({name: value for name, value in _facts_of(one) if value}))
    )


@sources.command()
def refused(source: _Name, as_json: AsJson = False) -> None:
    """List the latest refused requests of a source, with the diagnosis of each.

    They are in the memory of one gateway, which keeps 100 of each source.
    """
    found = call_gateway(lambda client: client.refused_requests(source))
    if as_json:
        print(found.model_dump_json(indent=2))
    elif not found.refused:
        print(f"no request was refused since {format_instant(found.since.replace(microsecond=0))}")
    else:
        records = [_to_refusal(one) for one in found.refused]
        print_list(_REFUSED, records, now=SystemClock().now())


@sources.command("test")
def try_request(
    source: _Name,
    file: Annotated[
        str, typer.Option(metavar="FILE", help="The body of the request; - is standard input.")
    ],
    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HEADER",
            help="A header of the request, 'name: value'; may be repeated. Without one, the"
            " signature is not checked.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try a request on a source: its signature, its rules, and what they lead to.

    Nothing is stored. `ringback events show EVENT --body` prints the body of an earlier request.
    """
    headers, body = dict(map(to_header, header or [])), read_file(file)
    tested = call_gateway(lambda client: client.test_source(source, body, headers))
    if as_json:
        print(tested.model_dump_json(indent=2))
        return
    print(printable(f"{tested.verification.state}: {tested.verification.message}"))
    for number, event in enumerate(tested.events):
        print("", *_lines_of_event(event, number), sep="\n")


def _lines_of_event(event: TestedEventOut, number: int) -> Iterator[str]:
    rule = "" if event.rule is None else f" by rules[{event.rule}]"
    yield printable(f"event {number + 1}: {event.action or event.state}{rule}")
    facts = {"alias": event.alias, "answer": event.answer, "reason": event.reason}
    if event.alias is not None:
        facts["callback"] = "none has the alias now; the event would wait"
    if event.callback is not None:
        facts["callback"] = f"{event.callback.id} is {event.callback.state}"
        facts |= {
            f"problem {place + 1}": f"{one.pointer or 'the result'}: {one.detail}"
            for place, one in enumerate(event.callback.problems)
        }
    for name, value in facts.items():
        if value is not None:
            yield printable(f"  {name:<9} {value}")


def _to_record(source: SourceOut) -> Record:
    refused = sum(
        number for result, number in source.requests.items() if result not in _NOT_REFUSED
    )
    return {
        "source": source.name,
        "provider": source.provider,
        "last event": source.last_event_at,
        "waiting": str(source.recent.get("waiting", 0)),
        "accepted": str(source.requests.get("accepted", 0)),
        "refused": str(refused),
        "rate limited": str(source.requests.get("rate_limited", 0)),
        "rules": str(len(source.rules)),
        "secrets": str(source.secrets),
        "url": source.url or source.place,
    }


def _to_refusal(refusal: RefusedOut) -> Record:
    return {
        "last": refusal.last_at,
        "reason": refusal.reason,
        "count": str(refusal.count),
        "bytes": None if refusal.size is None else str(refusal.size),
        "message": refusal.message,
    }


def _facts_of(source: SourceOut) -> Iterator[tuple[str, str]]:
    yield "source", source.name
    yield source.kind, source.provider
    yield "url", source.url or ""
    yield "place", source.place or ""
    yield "trusted", "" if source.trusted is None else ("yes" if source.trusted else "no")
    yield "secrets", str(source.secrets or "")
    yield "limit", "" if source.limit is None else f"{source.limit} requests per second"
    yield "ttl", f"{source.ttl:g} s"
    yield "batch", source.batch or ""
    yield "headers", ", ".join(source.headers)
    yield "not signed", ", ".join(source.not_signed)
    yield "retries", source.retries or ""
    for number, rule in enumerate(source.rules):
        when = "" if rule.when is None else f" when {rule.when}"
        key = "" if rule.key is None else f" {rule.key}"
        yield f"rules[{number}]", f"{rule.action}{key}{when}"
    last = source.last_event_at
    yield "last event", "" if last is None else format_instant(last.replace(microsecond=0))
    yield "newest events", _to_text(source.recent)
    yield "requests", _to_text(source.requests)


def _to_text(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
