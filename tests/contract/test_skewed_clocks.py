"""Two gateways on one PostgreSQL whose machines' clocks are five minutes ahead and behind.

The server's clock dates the rows, so whatever is in them happens once and at its time. Links use
the gateway's clock, and differ by as much as it does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from ringback.app.container import Parts
from ringback.app.notifiers import Notifiers
from ringback.app.sign_in import build_session_service
from ringback.app.system import SystemClock
from ringback.core.services import run_services
from ringback.core.sessions import SessionRules, SessionService
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.errors import UnknownCallbackError
from ringback.domain.link import Verb
from ringback.domain.notification import Purpose
from ringback.domain.outcome import Completed
from ringback.domain.people_errors import UnknownSignInUrlError
from ringback.domain.person import Person, ProofSource
from ringback.domain.policy import Policy
from ringback.ports.notifications import PersonalMessage, Sent
from ringback.store.postgresql import PostgresqlDatabase
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities
from tests import factories
from tests.contract.concurrent_votes import decision_of
from tests.contract.postgresql_server import clock_of
from tests.contract.stores import entries_of, found
from tests.fake_edges import fake_edges
from tests.people import person
from tests.polling import pause
from tests.unit.core.callbacks import open_callback

SKEW: Final = timedelta(minutes=5)
SHORT: Final = timedelta(minutes=1)
"""Far longer than a test, and much shorter than the skew."""

MANY: Final = 20
ADA: Final = Person(
    "ada", "Ada", frozenset(), is_admin=False, proof_source=ProofSource.ONE_TIME_URL
)
TWO: Final = Policy(assignees=("user:ada", "user:bob"), approvals=2)
DEFAULT: Final = Completed(b'{"approved": false, "is_default": true}')


class SkewedClock(SystemClock):
    """This machine's clock, as another machine has it."""

    def __init__(self, off: timedelta) -> None:
        self._off = off

    def now(self) -> datetime:
        return super().now() + self._off


@dataclass
class Channel:
    """Sends every message at once."""

    can_update = True
    got: list[PersonalMessage] = field(default_factory=list)

    async def send(self, message: PersonalMessage) -> Sent:
        self.got.append(message)
        await pause()
        return Sent({"ts": str(len(self.got))})

    def purposes_of(self, callback: Callback) -> list[Purpose]:
        return [one.purpose for one in self.got if one.notice.callback_id == callback.id]


@dataclass
class Site:
    """Two gateways and what they share."""

    now: datetime
    channel: Channel
    activities: FakeActivities
    ahead: Parts
    behind: Parts

    @property
    def store(self) -> SqlStore:
        return self.ahead.edges.store

    @property
    def both(self) -> tuple[Parts, Parts]:
        return self.ahead, self.behind

    async def ask(self, count: int = 1, **options: Any) -> list[Callback]:
        questions = []
        for _ in range(count):
            ref = factories.activity_ref()
            self.activities.schedule(ref)
            asked = open_callback(self.store, self.activities, ref, **{"policy": TWO, **options})
            questions.append(await asked)
        return questions

    async def until_sent(self, questions: list[Callback]) -> None:
        async with asyncio.timeout(10):
            for question in questions:
                while any(
                    one.state != "sent" for one in await self.store.notifications_of(question.id)
                ):
                    await pause()


@pytest.fixture
async def site(url: str) -> AsyncIterator[Site]:
    now, activities, channel = await clock_of(url), FakeActivities(), Channel()
    async with AsyncExitStack() as stack:

        def gateway(off: timedelta) -> Parts:
            database = PostgresqlDatabase(url)
            stack.push_async_callback(database.close)
            notifiers = Notifiers(channels={"slack": channel})
            clock, store = SkewedClock(off), SqlStore(database)
            return Parts(fake_edges(store, activities, clock, notifiers=notifiers))

        site = Site(now, channel, activities, gateway(SKEW), gateway(-SKEW))
        await stack.enter_async_context(run_services(*(one.answer_service for one in site.both)))
        yield site


def sessions_of(gateway: Parts, **rules: Any) -> SessionService:
    edges = gateway.edges
    return build_session_service(edges.store, SessionRules(**rules), edges.clock)


async def test_votes_by_gateways_with_different_clocks_decide_once(site: Site) -> None:
    questions = await site.ask(MANY)
    # Everybody votes at both gateways.
    jobs = [
        gateway.votes.vote(question.id, person(user))
        for question in questions
        for gateway in site.both
        for user in ("ada", "bob")
    ]

    receipts = await asyncio.gather(*jobs)

    assert sum(one.is_duplicate for one in receipts) == 2 * MANY
    for question in questions:
        decision = decision_of(await found(site.store, question.id))
        assert decision is not None
        assert sorted(vote["by"] for vote in decision["votes"]) == ["ada", "bob"]
        assert len(await entries_of(site.store, question.id, AuditKind.VOTED)) == 2
        assert len(await entries_of(site.store, question.id, AuditKind.ACCEPTED)) == 1


async def test_default_answer_is_accepted_once_and_at_the_deadline_of_the_server(
    site: Site,
) -> None:
    waiting = await site.ask(MANY, deadline=SHORT, on_deadline=DEFAULT)
    overdue = await site.ask(deadline=timedelta(microseconds=1), on_deadline=DEFAULT)
    await site.behind.deadlines.accept_due()
    taken = (await found(site.store, overdue[0].id)).state
    overdue += await site.ask(MANY, deadline=timedelta(microseconds=1), on_deadline=DEFAULT)

    await asyncio.gather(*(gateway.deadlines.accept_due() for gateway in site.both))
    ids = [one.id for one in waiting]
    early = await site.ahead.edges.store.accept_defaults(ids, factories.outcome_id)
    votes = [
        await gateway.votes.vote(question.id, person(user))
        for question in waiting
        for gateway, user in zip(site.both, ("ada", "bob"), strict=True)
    ]

    assert (early, taken) == ([], State.ACCEPTED)
    assert sum(vote.state is State.ACCEPTED for vote in votes) == MANY
    for question in overdue:
        assert len(await entries_of(site.store, question.id, AuditKind.ACCEPTED)) == 1
        accepted = (await found(site.store, question.id)).accepted
        assert accepted is not None
        assert accepted.is_default
    for question in waiting:
        decision = decision_of(await found(site.store, question.id))
        assert decision is not None
        assert decision["approved"]


async def test_each_message_is_sent_once_and_no_reminder_comes_early(site: Site) -> None:
    questions = await site.ask(MANY, notify=("slack:#finance",), remind_every=SHORT)

    async with run_services(site.ahead.notifier, site.behind.notifier):
        await site.until_sent(questions)
        for question in questions:
            await site.ahead.votes.vote(question.id, person("ada"))
        async with asyncio.timeout(10):
            while len(site.channel.got) < 2 * MANY:
                await pause()

    for question in questions:
        assert site.channel.purposes_of(question) == [Purpose.ASK, Purpose.UPDATE]


@pytest.mark.parametrize(("maker", "user"), [(0, 1), (1, 0)], ids=["ahead", "behind"])
async def test_sessions_and_sign_in_urls_last_by_the_clock_of_the_server(
    site: Site, maker: int, user: int
) -> None:
    made_by, used_by = site.both[maker], site.both[user]
    sessions = sessions_of(made_by, lifetime=SHORT, idle=SHORT)
    elsewhere = sessions_of(used_by, lifetime=SHORT, idle=SHORT)
    ended = sessions_of(made_by, lifetime=timedelta(0), idle=SHORT)

    signed_in = await sessions.sign_in(ADA, user_agent="")
    over = await ended.sign_in(ADA, user_agent="")
    sign_in_url = await sessions.create_url(ADA, lifetime=SHORT)
    late = await sessions.create_url(ADA, lifetime=timedelta(0))

    assert await elsewhere.find(signed_in.secret) is not None
    assert await elsewhere.find(over.secret) is None
    assert (await elsewhere.use_url(sign_in_url.secret, user_agent="")).session.person == ADA
    for secret in (sign_in_url.secret, late.secret):
        for one in (sessions, elsewhere):
            with pytest.raises(UnknownSignInUrlError):
                await one.use_url(secret, user_agent="")


@pytest.mark.parametrize(
    ("left", "valid"),
    [
        (SKEW + SHORT, (True, True)),
        (SKEW - SHORT, (False, True)),
        (SHORT - SKEW, (False, True)),
        (-SKEW - SHORT, (False, False)),
    ],
    ids=str,
)
async def test_link_expires_by_the_clock_of_the_gateway(
    site: Site, left: timedelta, valid: tuple[bool, bool]
) -> None:
    (question,) = await site.ask()
    keyring = site.ahead.edges.keyring
    link = keyring.sign(factories.link(to=question.id, expires_at=site.now + left))

    results = []
    for gateway in site.both:
        try:
            gateway.edges.keyring.verify(link, verb=Verb.COMPLETE, now=gateway.edges.clock.now())
            results.append(True)
        except UnknownCallbackError:
            results.append(False)

    assert tuple(results) == valid
