"""Mail over a real SMTP server: what people get, and what happens when the server refuses."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.domain.errors import ConfigurationError
from ringback.domain.ids import CallbackId
from ringback.domain.notification import Notice, Purpose
from ringback.domain.person import Directory
from ringback.notify.mail import Mail, parse_mail_server
from ringback.ports.notifications import NotSent, PersonalMessage, Sent, Unsendable
from ringback.testing import ManualClock
from tests import factories
from tests.certificates import certificate, server_context
from tests.smtp_server import PASSWORD, USER, SmtpServer, parts_of, running_smtp

SENDER = "Ringback <ringback@example.org>"
URL = "https://ring.example/inbox/cb_1"
NOTICE = Notice(
    CallbackId("cb_1"),
    "Order 7",
    description="Four chairs & a <b>table</b>",
    details=[("euros", "1200"), ("note", '<script>alert("x")</script>')],
    asked=["ada@example.org", "the group finance"],
    progress=["1 of 2 approvals"],
    deadline_at=factories.NOW,
    subject="0123abcd",
    url=URL,
)
DIRECTORY = Directory.of({}, mail={"lin": "lin@example.org"})


@pytest.fixture
async def server() -> AsyncIterator[SmtpServer]:
    async with running_smtp() as server:
        yield server


@pytest.fixture
def mail(server: SmtpServer, clock: ManualClock) -> Mail:
    return channel(f"smtp+insecure://127.0.0.1:{server.port}", clock)


def channel(url: str, clock: ManualClock, trust: ssl.SSLContext | None = None) -> Mail:
    patience = timedelta(seconds=2)
    server = parse_mail_server(url, SENDER)
    return Mail(server, DIRECTORY, clock=clock, trust=trust, patience=patience)


def message(
    recipient: str = "user:ada@example.org", notice: Notice = NOTICE, **facts: object
) -> PersonalMessage:
    base = PersonalMessage("nf_1.ask", recipient, Purpose.ASK, notice)
    return replace(base, **facts)  # type: ignore[arg-type]  # - fields of the message


async def test_both_parts_show_question_and_url(mail: Mail, server: SmtpServer) -> None:
    sent = await mail.send(message())

    assert sent == Sent({"message_id": "<nf_1.ask@example.org>"})
    parts = parts_of(server.mail)
    assert list(parts) == ["text/plain", "text/html"]
    for part in parts.values():
        for expected in (
            "Order 7",
            "1200",
            "the group finance",
            "1 of 2 approvals",
            "0123abcd",
            URL,
        ):
            assert expected in part
        assert "2030-01-01 00:00 UTC" in part


async def test_headers_name_sender_recipient_and_robot(mail: Mail, server: SmtpServer) -> None:
    await mail.send(message())

    sent = server.mail
    assert (sent["From"], sent["To"], sent["Subject"]) == (SENDER, "ada@example.org", "Order 7")
    assert sent["Auto-Submitted"] == "auto-generated"
    assert sent["Message-ID"] == "<nf_1.ask@example.org>"
    assert sent["In-Reply-To"] is None
    assert sent["Date"] == "Tue, 01 Jan 2030 00:00:00 +0000"


async def test_html_shows_text_of_users_literally(mail: Mail, server: SmtpServer) -> None:
    await mail.send(message())

    html = parts_of(server.mail)["text/html"]
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html


async def test_second_try_has_the_same_message_id(mail: Mail, server: SmtpServer) -> None:
    await mail.send(message())
    await mail.send(message())

    assert len({sent["Message-ID"] for _, sent in server.mails}) == 1


@pytest.mark.parametrize(
    ("purpose", "subject"),
    [(Purpose.REMIND, "Reminder: Order 7"), (Purpose.CHANGE, "Changed: Order 7")],
)
async def test_later_mail_is_a_reply_to_the_first(
    mail: Mail, server: SmtpServer, purpose: Purpose, subject: str
) -> None:
    first = await mail.send(message())
    assert isinstance(first, Sent)

    await mail.send(message(purpose=purpose, key="nf_1.2", ref=first.ref))

    _, reply = server.mails[-1]
    assert reply["Subject"] == subject
    assert reply["In-Reply-To"] == reply["References"] == "<nf_1.ask@example.org>"


@pytest.mark.parametrize(
    "title",
    ["Order\r\nBcc: eve@example.org", "Order\nBcc: eve@example.org\n\nbody", "a\u2028b\x00c\x85d"],
)
async def test_title_cannot_add_a_header_or_a_recipient(
    mail: Mail, server: SmtpServer, title: str
) -> None:
    await mail.send(message(notice=replace(NOTICE, title=title)))

    ((recipients, sent),) = server.mails
    assert recipients == ["ada@example.org"]
    assert sent["Bcc"] is None
    assert "\n" not in sent["Subject"]


async def test_marks_of_direction_are_removed(mail: Mail, server: SmtpServer) -> None:
    await mail.send(message(notice=replace(NOTICE, title="pay \u202e0001\u202c euros")))

    assert server.mail["Subject"] == "pay 0001 euros"
    assert "\u202e" not in str(parts_of(server.mail))


async def test_title_in_any_script_arrives(mail: Mail, server: SmtpServer) -> None:
    title = "Bestellung für Zoë, 注文 😊"

    await mail.send(message(notice=replace(NOTICE, title=title)))

    assert server.mail["Subject"] == title
    assert title in parts_of(server.mail)["text/plain"]


async def test_user_gets_mail_at_the_configured_address(mail: Mail, server: SmtpServer) -> None:
    await mail.send(message("user:Lin"))

    assert server.mails[0][0] == ["lin@example.org"]


@pytest.mark.parametrize(
    "recipient",
    ["", "user:nobody", "user:a@b@c", "user:ada@example.org\r\nBcc: eve@example.org", "user:@"],
)
async def test_recipient_without_address_is_not_tried_again(
    mail: Mail, server: SmtpServer, recipient: str
) -> None:
    assert isinstance(await mail.send(message(recipient)), Unsendable)
    assert server.mails == []


@given(st.text())
def test_any_recipient_is_an_address_or_refused(text: str) -> None:
    mail = channel("smtp+insecure://127.0.0.1:9", ManualClock())

    address = mail._address_of(f"user:{text}")  # noqa: SLF001 - without a server

    assert address is None or "\n" not in str(address)


async def test_unknown_mailbox_is_not_tried_again(mail: Mail, server: SmtpServer) -> None:
    server.refuses = "550 5.1.1 no such user"

    failed = await mail.send(message())

    assert failed == Unsendable("the mail server replied 550: 5.1.1 no such user")


async def test_busy_mailbox_is_tried_again(mail: Mail, server: SmtpServer) -> None:
    server.refuses = "450 4.2.1 greylisted"

    assert await mail.send(message()) == NotSent("the mail server replied 450: 4.2.1 greylisted")


async def test_refused_content_is_tried_again_with_its_reason(
    mail: Mail, server: SmtpServer
) -> None:
    server.refuses_data = "554 5.7.1 rejected"

    assert await mail.send(message()) == NotSent("the mail server replied 554: 5.7.1 rejected")


async def test_server_that_hangs_ends_in_time(server: SmtpServer, clock: ManualClock) -> None:
    server.hangs = True
    parsed = parse_mail_server(f"smtp+insecure://127.0.0.1:{server.port}", SENDER)
    mail = Mail(parsed, DIRECTORY, clock=clock, patience=timedelta(milliseconds=100))

    failed = await mail.send(message())

    assert isinstance(failed, NotSent)


async def test_server_that_is_away_is_tried_again(clock: ManualClock) -> None:
    failed = await channel("smtp+insecure://127.0.0.1:9", clock).send(message())

    assert isinstance(failed, NotSent)
    assert "127.0.0.1 cannot be used" in failed.reason


def login(scheme: str, port: int, host: str = "localhost", password: str = PASSWORD) -> str:
    return f"{scheme}://{USER}:{quote(password, safe='')}@{host}:{port}"


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_mail_is_handed_over_with_tls_and_password(
    tmp_path: Path, clock: ManualClock, scheme: str
) -> None:
    pem = certificate(tmp_path, "localhost")
    context = server_context(pem)
    trust = ssl.create_default_context(cafile=pem)
    is_direct = scheme == "smtps"

    async with running_smtp(
        tls=context if is_direct else None, start_tls=None if is_direct else context
    ) as server:
        sent = await channel(login(scheme, server.port), clock, trust).send(message())

        checked = await channel(login(scheme, server.port), clock, trust).check()

    assert isinstance(sent, Sent)
    assert checked is None
    assert len(server.mails) == 1


async def test_wrong_password_is_reported_without_it(tmp_path: Path, clock: ManualClock) -> None:
    pem = certificate(tmp_path, "localhost")
    trust = ssl.create_default_context(cafile=pem)

    async with running_smtp(tls=server_context(pem)) as server:
        url = login("smtps", server.port, password="a-wrong-one")  # noqa: S106 - of a test
        failed = await channel(url, clock, trust).send(message())
        checked = await channel(url, clock, trust).check()

    assert isinstance(failed, NotSent)
    assert failed.reason == checked
    assert "535" in failed.reason
    assert "a-wrong-one" not in failed.reason


@pytest.mark.parametrize("trusted", [False, True], ids=["unknown issuer", "other name"])
async def test_wrong_certificate_gets_no_mail(
    tmp_path: Path, clock: ManualClock, *, trusted: bool
) -> None:
    pem = certificate(tmp_path, "other.example")
    trust = ssl.create_default_context(cafile=pem if trusted else None)

    async with running_smtp(tls=server_context(pem)) as server:
        failed = await channel(login("smtps", server.port), clock, trust).send(message())

    assert isinstance(failed, NotSent)
    assert server.mails == []


async def test_server_without_starttls_gets_neither_password_nor_mail(
    server: SmtpServer, clock: ManualClock
) -> None:
    failed = await channel(login("smtp", server.port, "127.0.0.1"), clock).send(message())

    assert isinstance(failed, NotSent)
    assert server.mails == []


@pytest.mark.parametrize(
    "url",
    [
        *("mail.example", "http://mail.example", "smtp://", "smtp://mail.example:none"),
        *("smtp://mail.example/path", "smtp://mail.example?tls=off"),
    ],
)
def test_invalid_server_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="RINGBACK_MAIL_URL must be"):
        parse_mail_server(url, SENDER)


@pytest.mark.parametrize("sender", ["", "Ringback", "a@b\r\nBcc: c@d", "<>"])
def test_invalid_sender_is_a_configuration_error(sender: str) -> None:
    with pytest.raises(ConfigurationError, match="RINGBACK_MAIL_FROM"):
        parse_mail_server("smtp://mail.example", sender)


def test_ports_follow_from_the_scheme() -> None:
    schemes = ("smtp", "smtps", "smtp+insecure")

    ports = [parse_mail_server(f"{one}://mail.example", SENDER).port for one in schemes]

    assert ports == [587, 465, 25]


def test_password_is_not_shown() -> None:
    server = parse_mail_server("smtp://me:hush@mail.example", SENDER)

    assert (server.user, server.password) == ("me", "hush")
    assert "hush" not in repr(server)
