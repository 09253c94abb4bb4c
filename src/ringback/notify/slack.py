"""Slack: messages with buttons that are rewritten, and the people who press them."""

import json
import logging
import re
from collections import OrderedDict
from datetime import timedelta
from typing import Any, Final, TypeAlias

from ringback.domain.notification import Purpose, shorten
from ringback.domain.person import USER, Directory
from ringback.domain.policy import Proof, Voter
from ringback.notify.slack_api import SlackApi, SlackError
from ringback.notify.slack_blocks import escape, to_form, to_message, to_reminder
from ringback.ports.chat import ChatChoice, Stranger
from ringback.ports.clock import Clock
from ringback.ports.notifications import NotSent, PersonalMessage, Sending, Sent, Unsendable

logger = logging.getLogger(__name__)

CACHED_FOR: Final = timedelta(minutes=10)
"""How long it is remembered which user an account belongs to."""

_MOST_CACHED: Final = 10_000
_ACCOUNT: Final = re.compile(r"[UW][A-Z0-9]{5,20}")
_LONGEST_TITLE: Final = 150
_Account: TypeAlias = tuple[str, str]


class Slack:
    """The channel `slack`, and the chat platform behind it."""

    can_update: Final = True

    def __init__(self, api: SlackApi, directory: Directory, *, clock: Clock) -> None:
        """Call Slack by `api`; `directory` has the accounts of users with other addresses."""
        self._api = api
        self._directory = directory
        self._clock = clock
        self._home: frozenset[str] = frozenset()
        self._users: OrderedDict[tuple[str, str], tuple[timedelta, Voter | Stranger]] = (
            OrderedDict()
        )

    async def send(self, message: PersonalMessage) -> Sending:
        try:
            return await self._send(message)
        except SlackError as exc:
            reason = str(exc)
            return Unsendable(reason) if exc.is_final else NotSent(reason, exc.retry_after)

    async def check(self) -> str | None:
        try:
            await self._api.look_up("auth.test", {})
        except SlackError as exc:
            return str(exc)
        return None

    async def _send(self, message: PersonalMessage) -> Sending:
        content, ref = to_message(message.notice), message.ref
        if ref is None:
            channel = await self._to_channel(message.recipient)
            if channel is None:
                return Unsendable(f"{message.recipient or 'nobody'} has no account in Slack")
            reply = await self._api.call("chat.postMessage", {**content, "channel": channel})
            return Sent({"channel": str(reply["channel"]), "ts": str(reply["ts"])})
        await self._api.call("chat.update", {**content, "channel": ref["channel"], "ts": ref["ts"]})
        if message.purpose is Purpose.REMIND:
            reply = {**to_reminder(message.notice), "channel": ref["channel"]}
            await self._api.call(
                "chat.postMessage", {**reply, "thread_ts": ref["ts"], "reply_broadcast": True}
            )
        return Sent(ref)

    async def _to_channel(self, recipient: str) -> str | None:
        """Return the channel of `#name` or an id, or the account of `@name` or `user:name`."""
        if not recipient.startswith(("@", USER)):
            return recipient or None
        user = recipient.removeprefix("@").removeprefix(USER)
        known = self._directory.slack_of(user)
        if known is not None or _ACCOUNT.fullmatch(user):
            return known or user
        address = self._directory.mail_of(user)
        if address is None:
            return None
        found = await self._api.look_up("users.lookupByEmail", {"email": address})
        return str(found["user"]["id"])

    async def identify(self, account: str, team: str) -> Voter | Stranger:
        now = self._clock.monotonic()
        cached = self._users.get((account, team))
        if cached is not None and now - cached[0] < CACHED_FOR:
            return cached[1]
        try:
            found = await self._identify(account, team)
        except SlackError as exc:
            logger.warning("cannot identify a Slack account: %s", exc)
            return Stranger("Slack does not say now who you are. Try again, or use the page.")
        self._users[account, team] = now, found
        if len(self._users) > _MOST_CACHED:
            self._users.popitem(last=False)
        return found

    async def _identify(self, account: str, team: str) -> Voter | Stranger:
        if not self._home:
            us = await self._api.look_up("auth.test", {})
            names = (us.get("team_id"), us.get("enterprise_id"))
            self._home = frozenset(name for name in names if isinstance(name, str))
        found = await self._api.look_up("users.info", {"user": account})
        profile: dict[str, Any] = found["user"]
        # In a shared channel, another workspace's administrator chooses the mail addresses.
        if not self._home.issuperset({team, profile.get("team_id", team)}):
            return Stranger("Your account belongs to another workspace.")
        if profile.get("deleted") or profile.get("is_bot"):
            return Stranger("Your account is not that of a person.")
        user = self._directory.user_of_slack(account) or self._user_of(_confirmed_address(profile))
        if user is None:
            return Stranger("Your Slack account has no confirmed mail address.")
        groups = self._directory.groups_of(user)
        return Voter(user, groups, Proof.CHAT, via=f"slack {team} {account}")

    def _user_of(self, address: str | None) -> str | None:
        return None if address is None else self._directory.user_of_mail(address)

    async def ask_reason(
        self, trigger: str, choice: ChatChoice, *, title: str, is_required: bool, reply_to: str
    ) -> str | None:
        metadata = json.dumps({**choice.to_plain(), "reply_to": reply_to})
        form = to_form(
            choice,
            title=shorten(title, _LONGEST_TITLE),
            is_required=is_required,
            metadata=metadata,
        )
        try:
            await self._api.call("views.open", {"trigger_id": trigger, "view": form})
        except SlackError as exc:
            logger.warning("cannot ask for a reason in Slack: %s", exc)
            return "The form cannot be opened now. Press the button again, or use the page."
        return None

    async def reply_privately(self, reply_to: str, text: str) -> None:
        message = {"response_type": "ephemeral", "replace_original": False, "text": escape(text)}
        try:
            await self._api.respond(reply_to, message)
        except SlackError as exc:
            logger.warning("cannot answer in Slack: %s", exc)


def _confirmed_address(profile: dict[str, Any]) -> str | None:
    if profile.get("is_email_confirmed") is False:
        return None
    address = (profile.get("profile") or {}).get("email")
    return address if isinstance(address, str) and address else None
