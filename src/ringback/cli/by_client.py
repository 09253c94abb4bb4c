"""Telling an activity itself, by its token or its ids, with the completion client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, assert_never

import typer

from ringback.app.plugin import RingbackPlugin
from ringback.completion.client import AsyncCompletionClient
from ringback.completion.refs import Target
from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityPausedError,
    ActivityResetError,
    CancellationDetails,
    UnusableTokenError,
)
from ringback.domain.errors import TemporalUnreachableError
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.ports.activities import Pulse
from ringback.temporal.connect import connect
from ringback.temporal.encoding import raw_values, to_exception
from ringback.temporal.token import read_token

_CONNECT_SECONDS: Final = 5
_CALL_SECONDS: Final = 15
"""Longer than the SDK tries by itself."""


async def end(activity: Target, outcome: Outcome) -> None:
    """End `activity` with `outcome`.

    Raises:
        typer.BadParameter: The token is none of an activity that can be reached.
        RingbackError: What `AsyncCompletionClient` raises; or Temporal was not reached in time.
    """
    async with _connected(activity) as client:
        match outcome:
            case Completed(result):
                # No result and null are not the same: the one has no argument here.
                await client.complete(activity, *raw_values(result))
            case Failed():
                await client.fail(activity, to_exception(outcome))
            case Canceled(details):
                await client.report_cancellation(activity, *raw_values(details))
            case _:
                assert_never(outcome)


async def beat(activity: Target, details: bytes | None) -> Pulse:
    """Record a heartbeat for `activity`; return what Temporal says.

    Raises:
        typer.BadParameter: The token is none of an activity that can be reached.
        RingbackError: What `AsyncCompletionClient` raises; or Temporal was not reached in time.
    """
    async with _connected(activity) as client:
        try:
            await client.heartbeat(activity, *raw_values(details))
        except (ActivityCancelledError, ActivityPausedError, ActivityResetError) as exc:
            # It was recorded; this is what came back.
            return _to_pulse(exc.details)
    return Pulse(cancel_requested=False, paused=False, reset=False)


@asynccontextmanager
async def _connected(activity: Target) -> AsyncIterator[AsyncCompletionClient]:
    try:
        if isinstance(activity, bytes):
            # What was asked wrongly is told while Temporal is away, too.
            read_token(activity)
        async with asyncio.timeout(_CONNECT_SECONDS):
            client = await connect(RingbackPlugin())
        async with asyncio.timeout(_CALL_SECONDS):
            yield AsyncCompletionClient(client)
    except TimeoutError as exc:
        msg = "Temporal does not answer; whether it acted is not known"
        raise TemporalUnreachableError(msg) from exc
    except UnusableTokenError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _to_pulse(details: CancellationDetails) -> Pulse:
    return Pulse(details.cancel_requested, details.paused, details.reset)
