"""Completion and heartbeats by token or ids, with the completion client."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, assert_never

import typer
from temporalio.activity import ActivityCancellationDetails

from ringback.app.plugin import RingbackPlugin
from ringback.cli.gateway import operator_client
from ringback.completion.client import AsyncCompletionClient
from ringback.completion.refs import ActivityRef, Target
from ringback.domain.callback import State
from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityPausedError,
    ActivityResetError,
    UnusableTokenError,
)
from ringback.domain.errors import RingbackError, TemporalUnreachableError
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.schemas.responses import CallbackOut, SignOut
from ringback.temporal.connect import connect
from ringback.temporal.encoding import raw_values, to_exception
from ringback.temporal.token import is_local, read_token

_CONNECT_SECONDS: Final = 5
_CALL_SECONDS: Final = 15
"""Longer than the SDK retries by itself."""
_GATEWAY_SECONDS: Final = 3
_UNREADABLE: Final = "it is neither hexadecimal nor base64 of a task token"


async def end(activity: Target, outcome: Outcome) -> None:
    """End `activity` with `outcome`.

    Raises:
        typer.BadParameter: The token is not the token of an activity.
        RingbackError: An error of `AsyncCompletionClient`, or Temporal did not reply in time.
    """
    async with _connected(activity) as client:
        match outcome:
            case Completed(result):
                # No result differs from null: it is a call without an argument.
                await client.complete(activity, *raw_values(result))
            case Failed():
                await client.fail(activity, to_exception(outcome))
            case Canceled(details):
                await client.report_cancellation(activity, *raw_values(details))
            case _:
                assert_never(outcome)


async def heartbeat(activity: Target, details: bytes | None) -> SignOut:
    """Record a heartbeat for `activity`; return what Temporal replied.

    Raises:
        typer.BadParameter: The token is not the token of an activity.
        RingbackError: An error of `AsyncCompletionClient`, or Temporal did not reply in time.
    """
    async with _connected(activity) as client:
        try:
            await client.heartbeat(activity, *raw_values(details))
        except (ActivityCancelledError, ActivityPausedError, ActivityResetError) as exc:
            # The heartbeat was recorded; the error has the reply.
            return _to_reply(exc.details)
    return SignOut(cancel_requested=False, paused=False, reset=False, deadline=None)


@asynccontextmanager
async def _connected(activity: Target) -> AsyncIterator[AsyncCompletionClient]:
    try:
        if isinstance(activity, bytes):
            # Checked first, so that a wrong token is reported even if Temporal is down.
            _check_token(activity)
        await _note_open_callback(activity)
        async with asyncio.timeout(_CONNECT_SECONDS):
            client = await connect(RingbackPlugin())
        async with asyncio.timeout(_CALL_SECONDS):
            yield AsyncCompletionClient(client)
    except TimeoutError as exc:
        msg = "Temporal did not reply in time; it may have recorded the request"
        raise TemporalUnreachableError(msg) from exc
    except UnusableTokenError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _check_token(token: bytes) -> None:
    try:
        read_token(token)
    except UnusableTokenError as exc:
        # The exception is about bytes; the user of a command gave text.
        msg = str(exc) if is_local(token) else _UNREADABLE
        raise typer.BadParameter(msg) from exc


def _to_reply(details: ActivityCancellationDetails) -> SignOut:
    return SignOut(
        cancel_requested=details.cancel_requested,
        paused=details.paused,
        reset=details.reset,
        deadline=None,
    )


async def _note_open_callback(activity: Target) -> None:
    """Print that the activity has an open callback, if the gateway has one.

    The command works without a gateway, so an unreachable one is ignored.
    """
    if not isinstance(activity, ActivityRef) or activity.workflow_id is None:
        return
    with suppress(RingbackError, TimeoutError):
        async with asyncio.timeout(_GATEWAY_SECONDS), operator_client() as client:
            page = await client.page({
                "workflow_id": activity.workflow_id,
                "state": State.OPEN.value,
                "limit": "1000",
            })
        for callback in page.callbacks:
            if _belongs_to(callback, activity):
                print(
                    f"ringback: this activity has the open callback {callback.id}; with --callback"
                    f" {callback.id} the gateway stores the answer and delivers it",
                    file=sys.stderr,
                )


def _belongs_to(callback: CallbackOut, activity: ActivityRef) -> bool:
    return (
        callback.activity_id == activity.activity_id
        and activity.run_id in {None, callback.run_id}
        and activity.namespace in {None, callback.namespace}
    )
