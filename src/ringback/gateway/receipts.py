"""Receipts: the replies to answers, sent immediately or, with `Prefer: wait=N`, after the verdict.

`Prefer: wait=N` is RFC 7240: the sender waits up to N seconds instead of asking again.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Final, TypeAlias

from fastapi import Depends, Header
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from ringback.core.receipt import Receipt
from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.ending import why_ended
from ringback.domain.errors import ExpiredCallbackError
from ringback.gateway.gateway import Gateway

LONGEST_WAIT: Final = timedelta(seconds=60)

_WAIT: Final = re.compile(r"""(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])""", re.IGNORECASE)


def wanted_wait(prefer: Iterable[str]) -> timedelta:
    """Return how long the sender wants to wait, at most `LONGEST_WAIT`; zero if it does not."""
    found = _WAIT.search(",".join(prefer))
    if found is None:
        return timedelta(0)
    return min(timedelta(seconds=int(found[1])), LONGEST_WAIT)


async def _wait(
    request: Request,
    prefer: Annotated[  # noqa: ARG001 - for OpenAPI; it has only the first of several headers
        str | None,
        Header(
            alias="Prefer",
            description="`wait=10`: wait for the verdict or a change, at most 60 seconds.",
        ),
    ] = None,
) -> timedelta:
    return wanted_wait(request.headers.getlist("prefer"))


Wait: TypeAlias = Annotated[timedelta, Depends(_wait)]
"""A parameter of a route: how long the sender wants to wait."""


def applied(wait: timedelta) -> dict[str, str]:
    """Return the header that confirms the preference of a sender that waits."""
    return {"preference-applied": f"wait={wait.seconds}"} if wait else {}


async def reply_with_receipt(
    gateway: Gateway, receipt: Receipt, *, wait: timedelta, status_url: str
) -> Response:
    """Return the reply to an answer, after its verdict or after `wait`.

    Raises:
        ExpiredCallbackError: The sender waited, and the activity had ended before the answer.
    """
    wait = gateway.verdicts.shorten(receipt.callback_id, wait)
    state = await _state_within(gateway, wait, receipt)
    return Response(
        encode_receipt(receipt, state, status_url=status_url),
        status_of(receipt, state),
        headers=applied(wait),
        media_type="application/json",
    )


def status_of(receipt: Receipt, state: State) -> int:
    """Return the HTTP status of the reply to an answer whose callback is in `state`."""
    return 200 if receipt.is_duplicate or state is State.APPLIED else 202


def encode_receipt(receipt: Receipt, state: State, *, status_url: str) -> bytes:
    """Return the body of the reply to an answer whose callback is in `state`."""
    content = {
        "callback": receipt.callback_id,
        "state": state.value,
        "accepted_at": format_instant(receipt.accepted_at),
        "duplicate": receipt.is_duplicate,
        "status_url": status_url,
    }
    return to_json(content)


async def _state_within(gateway: Gateway, wait: timedelta, receipt: Receipt) -> State:
    if not wait or receipt.state is State.APPLIED:
        return receipt.state
    callback = await gateway.verdicts.wait(receipt.callback_id, within=wait)
    if callback is None:
        return receipt.state
    _check_not_superseded(callback)
    return callback.state


def _check_not_superseded(callback: Callback) -> None:
    accepted = callback.accepted
    if callback.state is State.SUPERSEDED and accepted is not None:
        at = accepted.verdict_at or accepted.accepted_at
        raise ExpiredCallbackError(callback.id, why_ended(callback) or "it ended", at)
