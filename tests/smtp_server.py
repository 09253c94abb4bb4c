"""A real SMTP server on this machine, which refuses or hangs as a test requires."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

USER, PASSWORD = "ringback", "hush:hush@hush"


@dataclass
class SmtpServer:
    """A mail server.

    Attributes:
        port: Its port.
        mails: The mails that it accepted, with the addresses that they were handed over for.
        refuses: The reply to each recipient instead of acceptance.
        refuses_data: The reply to each mail instead of acceptance.
        hangs: Whether it does not reply to a mail.
    """

    port: int = 0
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    refuses: str | None = None
    refuses_data: str | None = None
    hangs: bool = False
    received: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def mail(self) -> EmailMessage:
        """The only mail."""
        ((_, mail),) = self.mails
        return mail


class _Handler:
    """What aiosmtpd calls; it reads every attribute, so this has no others."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's own name and parameters
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: Any
    ) -> str:
        if self._server.refuses is not None:
            return self._server.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - its own name
        server = self._server
        if server.refuses_data is not None:
            return server.refuses_data
        content = cast("bytes", envelope.content)
        mail = message_from_bytes(content, policy=default)
        server.mails.append((envelope.rcpt_tos, mail))
        server.received.set()
        if server.hangs:
            await asyncio.Event().wait()
        return "250 accepted"


@asynccontextmanager
async def running_smtp(
    *, tls: ssl.SSLContext | None = None, start_tls: ssl.SSLContext | None = None
) -> AsyncIterator[SmtpServer]:
    """Run a server for the block; with TLS it requires `USER` and `PASSWORD`."""
    server, loop = SmtpServer(), asyncio.get_running_loop()
    has_tls = tls is not None or start_tls is not None

    def check(*given: Any) -> AuthResult:
        data = given[-1]
        is_right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            # It warns of passwords without TLS, and does not know that TLS is outside of it.
            warnings.simplefilter("ignore")
            return SMTP(
                _Handler(server),
                loop=loop,
                hostname="mail.example",
                tls_context=start_tls,
                require_starttls=start_tls is not None,
                auth_required=has_tls,
                auth_require_tls=start_tls is not None,
                authenticator=check if has_tls else None,
            )

    listening = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


def parts_of(mail: EmailMessage) -> dict[str, str]:
    """Return the content of each part, by its type."""
    return {
        part.get_content_type(): part.get_content()
        for part in mail.walk()
        if not part.is_multipart()
    }
