"""The route that Slack calls for buttons and forms, and the check of its signature."""

import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from ringback.core.chat_votes import ChatVoteService
from ringback.domain.errors import MalformedAnswerError
from ringback.gateway.body import read_body
from ringback.gateway.gateway import GatewayOf
from ringback.gateway.replies import not_found, problem
from ringback.ports.chat import APPROVE, REASON, REJECT, ChatChoice

TOLERANCE: Final = timedelta(minutes=5)
"""The longest time between the timestamp and now."""

_LONGEST: Final = 12


def is_signed(
    body: bytes, *, timestamp: str, signature: str, secrets: Sequence[bytes], now: datetime
) -> bool:
    """Return whether one of `secrets` has signed `body`, within `TOLERANCE` of `now`.

    Any `timestamp` and `signature` are safe. The signature is compared in constant time.
    """
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _LONGEST):
        return False
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        return False
    signed = f"v0:{timestamp}:".encode() + body
    given = signature.encode("utf-8", "replace")
    expected = [b"v0=" + _hex_digest(secret, signed) for secret in secrets]
    return any(hmac.compare_digest(one, given) for one in expected)


def _hex_digest(secret: bytes, signed: bytes) -> bytes:
    return hmac.digest(secret, signed, sha256).hex().encode()


logger = logging.getLogger(__name__)

router = APIRouter(generate_unique_id_function=lambda route: route.name)

_LIMIT: Final = 1024 * 1024
"""Maximum bytes of a request: Slack repeats the message with its blocks."""


@dataclass(frozen=True, slots=True)
class _Account:
    id: str
    team: str


@router.post("/slack/interactions", include_in_schema=False)
async def interact(gateway: GatewayOf, request: Request) -> Response:
    """Count what somebody pressed in Slack. Slack's signature is the credential."""
    door = gateway.slack
    if door is None:
        return not_found()
    body = await read_body(request, limit=_LIMIT)
    is_from_slack = is_signed(
        body,
        timestamp=request.headers.get("x-slack-request-timestamp", ""),
        signature=request.headers.get("x-slack-signature", ""),
        secrets=door.secrets,
        now=gateway.clock.now(),
    )
    if not is_from_slack:
        logger.warning(
            "request of Slack refused: it is not signed by RINGBACK_SLACK_SIGNING_SECRETS, or its"
            " timestamp differs from this machine's clock by more than five minutes"
        )
        return problem(401, "not signed", "the signature is missing, invalid or too old")
    return await _handle(door.votes, _parse(body))


async def _handle(votes: ChatVoteService, payload: Mapping[str, Any]) -> Response:
    match payload:
        case {
            "type": "block_actions",
            "actions": [{"action_id": action, "value": str(value)}, *_],
        } if action in {APPROVE, REJECT}:
            account = _account_of(payload)
            await votes.press(
                _to_choice(value),
                account=account.id,
                team=account.team,
                trigger=str(payload.get("trigger_id", "")),
                reply_to=str(payload.get("response_url", "")),
            )
            return Response()
        case {"type": "view_submission", "view": {"callback_id": form} as view} if form == REASON:
            account = _account_of(payload)
            metadata = str(view.get("private_metadata", ""))
            why = await votes.submit(
                _to_choice(metadata),
                _reason_of(view),
                account=account.id,
                team=account.team,
                reply_to=_reply_to(metadata),
            )
            return _close() if why is None else _refuse(why)
        case _:
            # Buttons that open a page are reported too.
            return Response()


def _close() -> Response:
    return Response()


def _refuse(why: str) -> Response:
    # The form stays open with what was typed.
    return JSONResponse({"response_action": "errors", "errors": {REASON: why}})


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        (text,) = parse_qs(body.decode(), max_num_fields=10)["payload"]
        payload = json.loads(text)
    except (ValueError, KeyError):
        raise _malformed() from None
    if not isinstance(payload, dict):
        raise _malformed()
    return payload


def _account_of(payload: Mapping[str, Any]) -> _Account:
    match payload:
        case {"user": {"id": str(id_), "team_id": str(team)}}:
            return _Account(id_, team)
        case {"user": {"id": str(id_)}, "team": {"id": str(team)}}:
            return _Account(id_, team)
        case _:
            raise _malformed()


def _to_choice(text: str) -> ChatChoice:
    try:
        return ChatChoice.from_plain(json.loads(text))
    except ValueError:
        raise _malformed() from None


def _reason_of(view: Mapping[str, Any]) -> str | None:
    match view:
        case {"state": {"values": {**blocks}}}:
            return _value_of(blocks.get(REASON))
        case _:
            return None


def _value_of(block: object) -> str | None:
    field = block.get(REASON) if isinstance(block, dict) else None
    typed = field.get("value") if isinstance(field, dict) else None
    return typed if isinstance(typed, str) else None


def _reply_to(metadata: str) -> str:
    return str(json.loads(metadata).get("reply_to", ""))


def _malformed() -> MalformedAnswerError:
    return MalformedAnswerError("this is not an interaction of Slack")
