"""The command that says whether anything is wrong."""

import json
from collections.abc import Iterator

import typer

import ringback
from ringback.app.exits import REFUSED
from ringback.cli.gateway import call_gateway
from ringback.cli.listing import printable
from ringback.cli.params import AsJson
from ringback.domain.errors import GatewayUnavailableError
from ringback.schemas.retention import SummaryOut, TroubleOut


def status(as_json: AsJson = False) -> None:
    """Say whether anything is wrong: problems first, each with what to do.

    It asks the gateway; `ringback doctor` checks an installation from this machine.
    Exit codes: 0 all is well; 1 something is wrong, or the gateway does not reply.
    """
    try:
        found = call_gateway(lambda client: client.summary())
    except GatewayUnavailableError as exc:
        trouble = _no_gateway(exc)
        if as_json:
            print(json.dumps({"is_well": False, "problems": [trouble.model_dump()]}))
        else:
            print(*_lines_of(trouble), sep="\n")
        raise typer.Exit(REFUSED) from exc
    print(found.model_dump_json(indent=2) if as_json else "\n".join(_lines(found)))
    if not found.is_well:
        raise typer.Exit(REFUSED)


def _no_gateway(error: GatewayUnavailableError) -> TroubleOut:
    return TroubleOut(
        what="gateway",
        message=str(error),
        advice="start it with `ringback serve`; if it runs, its log says what it lacks. Run:"
        " ringback doctor",
        page="docs/howto/alerts.md#ringbackgatewayabsent",
    )


def _lines(found: SummaryOut) -> Iterator[str]:
    for trouble in found.problems:
        yield from _lines_of(trouble)
        yield ""
    if found.is_well:
        yield "all is well"
        yield ""
    yield f"gateway      {found.version}, namespace {printable(found.namespace)}"
    if found.version != ringback.__version__:
        yield f"             this command is {ringback.__version__}"
    yield f"store        {found.store}"
    yield f"Temporal     {found.temporal}"
    if found.callbacks is not None:
        counts = ", ".join(f"{count:,} {state}" for state, count in found.callbacks.items())
        yield f"callbacks    {counts}"
    yield f"undelivered  {_age(found.oldest_undelivered_seconds)}"
    yield f"overdue      {_age(found.oldest_overdue_seconds)}"
    if found.events_waiting:
        yield f"events       {found.events_waiting:,} wait"


def _lines_of(trouble: TroubleOut) -> Iterator[str]:
    yield printable(f"PROBLEM      {trouble.message}")
    yield printable(f"  do         {trouble.advice}")
    yield printable(f"  read       {trouble.page}")


def _age(seconds: float | None) -> str:
    return "none" if seconds is None else f"the oldest for {seconds:,.0f} s"
