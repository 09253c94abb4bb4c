"""Mail: one message per person over SMTP, as text and as HTML."""

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiosmtplib
from jinja2 import Environment, FileSystemLoader, Template, select_autoescape

from ringback.domain.errors import ConfigurationError
from ringback.domain.notification import (
    LONGEST_ERROR,
    Notice,
    Purpose,
    shorten,
    to_visible,
)
from ringback.domain.person import USER, Directory
from ringback.ports.clock import Clock
from ringback.ports.notifications import NotSent, PersonalMessage, Sending, Sent, Unsendable

TIMEOUT: Final = timedelta(seconds=20)
"""The timeout of one message, from the look-up of the name to the server's last reply."""

_PORTS: Final = {"smtps": 465, "smtp": 587, "smtp+insecure": 25}
_FORM: Final = (
    "RINGBACK_MAIL_URL must be smtp://<user>:<password>@<host>:<port> (STARTTLS is required),"
    " smtps://… (TLS from the start) or smtp+insecure://… (no TLS)"
)
_SUBJECTS: Final = {
    Purpose.ASK: "{}",
    Purpose.CHANGE: "Changed: {}",
    Purpose.REMIND: "Reminder: {}",
    Purpose.TEST: "{}",
}
_LEADS: Final = {
    Purpose.ASK: "You are asked to decide:",
    Purpose.CHANGE: "What you are asked to decide has changed:",
    Purpose.REMIND: "Your decision is still missing:",
    Purpose.TEST: "This is a test:",
}
_ADDRESS: Final = re.compile(
    r"([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)"
)
"""What browsers accept as an address."""

_PERMANENT: Final = range(500, 600)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over.

    Attributes:
        host: The server's name.
        port: Its port.
        has_tls: Whether TLS begins with the connection.
        has_start_tls: Whether TLS must begin with STARTTLS.
        user: The user name, if the server requires one.
        password: Its password.
        sender: The address in `From`, with a name or without.
    """

    host: str
    port: int
    has_tls: bool
    has_start_tls: bool
    user: str | None
    password: str | None = field(repr=False)
    sender: Address


def parse_mail_server(url: str, sender: str) -> MailServer:
    """Return the server at `url`, which sends for `sender`.

    Raises:
        ConfigurationError: One of them is invalid; the message does not repeat the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(_FORM) from None
    is_bare = parts.path in {"", "/"} and not parts.query and not parts.fragment
    if parts.scheme not in _PORTS or not parts.hostname or not is_bare:
        raise ConfigurationError(_FORM)
    return MailServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        has_tls=parts.scheme == "smtps",
        has_start_tls=parts.scheme == "smtp",
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        sender=_parse_sender(sender),
    )


def _parse_sender(text: str) -> Address:
    name, address = parseaddr(text)
    found = _parse_address(address, name) if text.isprintable() else None
    if found is None:
        msg = "RINGBACK_MAIL_FROM must be an address, such as Ringback <ringback@example.org>"
        raise ConfigurationError(msg)
    return found


def _parse_address(text: str, name: str = "") -> Address | None:
    """Return the address in `text`; `None` if there is anything else, such as a line break."""
    # The parser of the standard library raises errors of many kinds, and accepts comments.
    found = _ADDRESS.fullmatch(text)
    return None if found is None else Address(name, found[1], found[2])


class Mail:
    """The channel `mail`. A message that was sent cannot be rewritten."""

    can_update: Final = False

    def __init__(
        self,
        server: MailServer,
        directory: Directory,
        *,
        clock: Clock,
        trust: ssl.SSLContext | None = None,
        patience: timedelta = TIMEOUT,
    ) -> None:
        """Send through `server`; `directory` has the addresses of users."""
        self._server = server
        self._directory = directory
        self._clock = clock
        self._trust = trust
        self._patience = patience

    async def send(self, message: PersonalMessage) -> Sending:
        to = self._address_of(message.recipient)
        if to is None:
            return Unsendable(_no_address(message.recipient))
        mail = self._compose(message, to)
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                await self._hand_over(mail)
        except aiosmtplib.SMTPRecipientsRefused as exc:
            refused = exc.recipients[0]
            reason = _describe(refused.code, refused.message)
            return Unsendable(reason) if refused.code in _PERMANENT else NotSent(reason)
        except aiosmtplib.SMTPResponseException as exc:
            return NotSent(_describe(exc.code, exc.message))
        except TimeoutError:
            return NotSent(f"the mail server {self._server.host} did not reply in time")
        except (aiosmtplib.SMTPException, OSError) as exc:
            return NotSent(f"the mail server {self._server.host} cannot be used: {_explain(exc)}")
        return Sent({"message_id": mail["Message-ID"]})

    async def check(self) -> str | None:
        server = self._server
        try:
            async with (
                asyncio.timeout(self._patience.total_seconds()),
                aiosmtplib.SMTP(**self._connection()),
            ):
                return None
        except aiosmtplib.SMTPResponseException as exc:
            return _describe(exc.code, exc.message)
        except TimeoutError:
            return f"the mail server {server.host} did not reply in time"
        except (aiosmtplib.SMTPException, OSError) as exc:
            return f"the mail server {server.host} cannot be used: {_explain(exc)}"

    def _address_of(self, recipient: str) -> Address | None:
        address = self._directory.mail_of(recipient.removeprefix(USER))
        return None if address is None else _parse_address(address)

    def _compose(self, message: PersonalMessage, to: Address) -> EmailMessage:
        notice, sender = message.notice, self._server.sender
        mail = EmailMessage(policy=SMTP)
        title = shorten(to_visible(notice.title, lines=False), 150)
        mail["From"], mail["To"] = sender, to
        mail["Subject"] = _SUBJECTS[message.purpose].format(title)
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = f"<{message.key}@{sender.domain}>"
        if message.ref and "message_id" in message.ref:
            mail["In-Reply-To"] = mail["References"] = message.ref["message_id"]
        # Vacation notices and other robots must not answer.
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        values = {"lead": _LEADS[message.purpose], "notice": _cleaned(notice)}
        mail.set_content(_template("mail.txt").render(values))
        mail.add_alternative(_template("mail.html").render(values), subtype="html")
        return mail

    async def _hand_over(self, mail: EmailMessage) -> None:
        await aiosmtplib.send(mail, **self._connection())

    def _connection(self) -> dict[str, Any]:
        server = self._server
        return {
            "hostname": server.host,
            "port": server.port,
            "username": server.user,
            "password": server.password,
            "use_tls": server.has_tls,
            "start_tls": server.has_start_tls,
            "tls_context": self._trust or (_default_trust() if _has_tls(server) else None),
            "timeout": self._patience.total_seconds(),
        }


def _explain(error: Exception) -> str:
    return shorten(to_visible(str(error) or type(error).__name__, lines=False), LONGEST_ERROR)


def _has_tls(server: MailServer) -> bool:
    return server.has_tls or server.has_start_tls


@cache
def _default_trust() -> ssl.SSLContext:
    return ssl.create_default_context()


@cache
def _templates() -> Environment:
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(
        loader=folder,
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _template(name: str) -> Template:
    return _templates().get_template(name)


def _cleaned(notice: Notice) -> Mapping[str, object]:
    """Return what the templates show, without characters that hide or reorder text."""
    deadline = notice.deadline_at
    return {
        "title": to_visible(notice.title, lines=False),
        "description": to_visible(notice.description or ""),
        "details": [
            (to_visible(name, lines=False), to_visible(value)) for name, value in notice.details
        ],
        "asked": [to_visible(one, lines=False) for one in notice.asked],
        "progress": [to_visible(one, lines=False) for one in notice.progress],
        "deadline": None if deadline is None else f"{deadline:%Y-%m-%d %H:%M} UTC",
        "subject": notice.subject,
        "url": notice.url,
    }


def _no_address(recipient: str) -> str:
    if not recipient:
        return "there are no assignees, so there is no address; set some"
    return (
        f"{recipient} has no mail address; name users by their address, or add it to"
        " RINGBACK_PEOPLE_FILE"
    )


def _describe(code: int, message: str) -> str:
    said = shorten(to_visible(message, lines=False), LONGEST_ERROR)
    return f"the mail server replied {code}: {said}"
