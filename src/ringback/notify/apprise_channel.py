"""Apprise: one-way messages to some hundred services, by URLs that an operator configured."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

from apprise import Apprise, AppriseAsset, AppriseResultStatus, NotifyFormat

from ringback.domain.errors import ConfigurationError
from ringback.domain.notification import Notice, Purpose, shorten, to_visible
from ringback.ports.notifications import NotSent, PersonalMessage, Sending, Sent

TIMEOUT: Final = timedelta(seconds=20)
"""The timeout of one message."""

_THREADS: Final = 4
_TITLES: Final = {
    Purpose.ASK: "{}",
    Purpose.CHANGE: "Changed: {}",
    Purpose.REMIND: "Reminder: {}",
    Purpose.UPDATE: "{}",
    Purpose.TEST: "{}",
}

logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines contain URLs with secrets


class AppriseChannel:
    """A channel with a name that an operator chose. A message cannot be rewritten."""

    can_update: Final = False

    def __init__(self, name: str, url: str, *, patience: timedelta = TIMEOUT) -> None:
        """Send to the service at `url`.

        Raises:
            ConfigurationError: Apprise does not understand the URL; the message does not repeat it.
        """
        asset = AppriseAsset(async_mode=False, secure_logging=True)
        self._service = Apprise(asset=asset)
        if not self._service.add(url) or len(self._service) != 1:
            msg = f"[channels] {name}: this is not one notification URL of Apprise"
            raise ConfigurationError(msg)
        self._patience = patience
        # A pool of its own: a service that hangs then delays only this channel.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"apprise-{name}")

    async def send(self, message: PersonalMessage) -> Sending:
        title = shorten(to_visible(message.notice.title, lines=False), 150)
        title, body = _TITLES[message.purpose].format(title), _body(message.notice)
        loop = asyncio.get_running_loop()
        sending = loop.run_in_executor(self._threads, self._notify, title, body)
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                status = await sending
        except TimeoutError:
            return NotSent("the service did not reply in time")
        if status is not AppriseResultStatus.SUCCESS:
            return NotSent(f"Apprise reports {status.name}; `apprise -vv <url>` says more")
        return Sent()

    def _notify(self, title: str, body: str) -> AppriseResultStatus:
        result = self._service.notify(body=body, title=title, body_format=NotifyFormat.TEXT)
        return result.status

    def close(self) -> None:
        """Stop without waiting for a service that hangs."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _body(notice: Notice) -> str:
    deadline = notice.deadline_at
    details = ((to_visible(name, lines=False), to_visible(text)) for name, text in notice.details)
    lines = [
        to_visible(notice.description or ""),
        *(f"{name}: {text}" for name, text in details),
        f"Decide here: {notice.url}" if notice.url else "",
        f"Until: {deadline:%Y-%m-%d %H:%M} UTC" if deadline else "",
    ]
    return "\n".join(filter(None, lines)) or to_visible(notice.title)
