"""The gateway that commands talk to, with an operator's API key."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from ringback.app.program import run
from ringback.client.calls import to_request
from ringback.client.gateway_client import GatewayClient
from ringback.client.target import Target, find_target
from ringback.domain.alias import Alias
from ringback.domain.api_key import Role
from ringback.domain.callback import State
from ringback.domain.errors import RefusedByTemporalError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Outcome
from ringback.schemas.responses import ReceiptOut

T = TypeVar("T")

_LONGEST_WAIT: Final = timedelta(seconds=60)
"""The longest time for which a gateway lets one request wait for a verdict."""


def operator_target() -> Target:
    """Return the gateway that the settings name.

    Raises:
        ConfigurationError: A setting cannot be used, or the API key is missing.
    """
    return find_target(Role.OPERATOR)


def operator_client() -> GatewayClient:
    """Return a client of the gateway that the settings name.

    Raises:
        ConfigurationError: A setting cannot be used, or the API key is missing.
    """
    return GatewayClient(operator_target())


def call_gateway(work: Callable[[GatewayClient], Awaitable[T]]) -> T:
    """Run `work` with a client of the gateway that the settings name, and return its result.

    Raises:
        ConfigurationError: A setting cannot be used, or the API key is missing.
        GatewayRefusedError: The gateway refused what `work` asked for.
        GatewayUnavailableError: The gateway does not reply.
    """
    return run(_call_gateway(work))


async def _call_gateway(work: Callable[[GatewayClient], Awaitable[T]]) -> T:
    async with operator_client() as client:
        return await work(client)


async def send_answer(
    client: GatewayClient, to: CallbackId | Alias, outcome: Outcome, *, wait: timedelta
) -> ReceiptOut:
    """Answer a callback, and wait at most `wait` for the verdict.

    Raises:
        GatewayRefusedError: The gateway does not accept it, or the activity had already ended.
        GatewayUnavailableError: The gateway cannot accept it now; a retry is safe.
        RefusedByTemporalError: The answer is parked.
    """
    verb, body = to_request(outcome)
    return await send_and_wait(lambda part: client.answer(to, verb, body, wait=part), wait)


async def send_and_wait(
    send: Callable[[timedelta], Awaitable[ReceiptOut]], wait: timedelta
) -> ReceiptOut:
    """Send an answer or a vote, and wait at most `wait` for the verdict.

    `send` gets the part of the wait that one request may take. Sending the same again is safe.

    Raises:
        GatewayRefusedError: The gateway does not accept it, or the activity had already ended.
        GatewayUnavailableError: The gateway cannot accept it now; a retry is safe.
        RefusedByTemporalError: The answer is parked.
    """
    first, *more = _parts(wait)
    receipt = await send(first)
    for part in more:
        if receipt.state != State.ACCEPTED.value:
            break
        again = await send(part)
        receipt = receipt.model_copy(update={"state": again.state})
    if wait and receipt.state == State.PARKED.value:
        msg = f"the answer is stored but parked; see: ringback show {receipt.callback}"
        raise RefusedByTemporalError(msg)
    return receipt


def _parts(wait: timedelta) -> Sequence[timedelta]:
    whole, rest = divmod(wait, _LONGEST_WAIT)
    return [*whole * [_LONGEST_WAIT], *([rest] if rest or not whole else [])]
