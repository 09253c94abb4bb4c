"""Messages follow their question, are sent at least once, and never block one another."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ringback.core.claim_loop import LONGEST_REST
from ringback.core.hooks import Hooks
from ringback.core.notifications import (
    CHANNEL_SLOTS,
    FIRST_WAIT,
    LEASE,
    LONGEST_WAIT,
    SLOTS,
    Notifier,
)
from ringback.core.services import run_services
from ringback.domain.assignment import Actor, Change, change_details, reassign
from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.notification import RETRY_FOR, NotificationStatus, Purpose
from ringback.domain.outcome import Completed
from ringback.domain.person import Directory
from ringback.domain.policy import Policy, Proof, Voter
from ringback.domain.policy_checks import Escalation
from ringback.domain.vote import Vote, VoteRequest
from ringback.ports.notifications import (
    NotSent,
    PersonalMessage,
    Sending,
    Sent,
    Unsendable,
)
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle
from tests.polling import pause

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
ADA, GRACE, FINANCE = "user:ada@example.org", "user:grace@example.org", "group:finance"
OPERATOR = Actor(Voter("somebody", proof=Proof.API_KEY), is_operator=True)
DIRECTORY = Directory.of({"Finance": ["Ada@example.org", "grace@example.org"]})


class FakeChannel:
    """Records messages, and fails as the test requires.

    Attributes:
        got: Every message, in order.
        answers: What becomes of the next messages; after them, each is sent.
        is_up: Messages get no answer until it is set.
    """

    def __init__(self, *, can_update: bool = True) -> None:
        self.can_update = can_update
        self.got: list[PersonalMessage] = []
        self.answers: list[Sending | Exception] = []
        self.is_up = asyncio.Event()
        self.is_up.set()

    async def send(self, message: PersonalMessage) -> Sending:
        self.got.append(message)
        await self.is_up.wait()
        answer = self.answers.pop(0) if self.answers else Sent({"ts": str(len(self.got))})
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def purposes(self) -> list[Purpose]:
        return [message.purpose for message in self.got]

    @property
    def recipients(self) -> list[str]:
        return sorted(message.recipient for message in self.got)


class SeenNotifications(Hooks):
    """The hooks that record what became of messages."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, str]] = []

    def notification_ended(self, channel: str, result: str) -> None:
        self.ended.append((channel, result))


class Site:
    """A notifier with a channel that rewrites messages and two that cannot."""

    def __init__(self, store: SqlStore, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.slack = FakeChannel()
        self.mail = FakeChannel(can_update=False)
        self.ops = FakeChannel(can_update=False)
        self.notifier = self.make_notifier()

    def make_notifier(self, **options: Any) -> Notifier:
        return Notifier(
            self.store,
            self.store,
            self.store,
            channels={"slack": self.slack, "mail": self.mail, "ops": self.ops},
            directory=DIRECTORY,
            to_url=lambda callback: f"https://ring.example/inbox/{callback.id}",
            clock=self.clock,
            jitter=lambda: 1.0,
            **options,
        )

    async def ask(self, **options: Any) -> Callback:
        defaults = {
            "title": "Order 7",
            "notify": ("slack:#finance",),
            "policy": Policy(assignees=(ADA, GRACE), approvals=2),
        }
        (callback,) = await self.store.open([factories.request(**{**defaults, **options})])
        return callback

    async def vote(self, callback: Callback, user: str = "ada@example.org") -> None:
        voter = Voter(user, proof=Proof.CHAT)
        request = VoteRequest(callback.id, factories.outcome_id(), voter)
        await self.store.vote([request])

    async def change_details(self, callback: Callback) -> None:
        def rule(current: Callback, votes: Sequence[Vote]) -> Change:
            return change_details(current, votes, {"euros": 5})

        await self.store.change(callback.id, rule, by={})

    async def reassign(self, callback: Callback, *assignees: str) -> None:
        def rule(current: Callback, votes: Sequence[Vote]) -> Change:
            return reassign(current, votes, assignees, actor=OPERATOR)

        await self.store.change(callback.id, rule, by={})

    async def settle(self, callback: Callback, verdict: State, **proof: object) -> None:
        accepted = await self.found(callback)
        await self.store.settle([factories.settlement(accepted, verdict, proof)])

    async def found(self, callback: Callback) -> Callback:
        return (await self.store.find([callback.id]))[callback.id]

    async def status(self, callback: Callback) -> NotificationStatus:
        (status,) = await self.store.notifications_of(callback.id)
        return status

    async def entries(self, callback: Callback, kind: AuditKind) -> list[AuditEntry]:
        return [entry for entry in await self.store.audit_trail(callback.id) if entry.kind is kind]

    async def pass_time(self, time: timedelta = timedelta(0)) -> None:
        await idle()
        self.clock.advance(time)
        await idle()


@pytest.fixture
def site(store: SqlStore, clock: ManualClock) -> Site:
    return Site(store, clock)


async def test_question_is_sent_once(site: Site) -> None:
    callback = await site.ask()

    async with run_services(site.notifier):
        await site.pass_time(HOUR)

    (message,) = site.slack.got
    assert (message.recipient, message.purpose, message.ref) == ("#finance", Purpose.ASK, None)
    assert message.notice.title == "Order 7"
    assert message.notice.url == f"https://ring.example/inbox/{callback.id}"
    assert (await site.status(callback)).state == "sent"


async def test_later_question_is_sent_within_a_second(site: Site) -> None:
    async with run_services(site.notifier):
        await idle()
        await site.ask()
        await site.pass_time(LONGEST_REST)

    assert len(site.slack.got) == 1


async def test_later_attempt_rewrites_the_deadline_and_mails_nothing(site: Site) -> None:
    ref = factories.activity_ref()
    options = {"ref": ref, "notify": ("slack:#a", "mail"), "policy": Policy(assignees=(ADA,))}
    await site.ask(**options, attempt_timeout_at=factories.NOW + HOUR)

    async with run_services(site.notifier):
        await idle()
        later = factories.NOW + 2 * HOUR
        await site.ask(**options, attempt=2, attempt_timeout_at=later)
        await site.pass_time(SECOND)

    assert site.slack.purposes == [Purpose.ASK, Purpose.UPDATE]
    assert site.slack.got[-1].notice.deadline_at == later
    assert site.mail.purposes == [Purpose.ASK]


async def test_vote_rewrites_the_message(site: Site) -> None:
    callback = await site.ask()

    async with run_services(site.notifier):
        await idle()
        await site.vote(callback)
        await site.pass_time(SECOND)

    first, second = site.slack.got
    assert (second.purpose, second.ref) == (Purpose.UPDATE, {"ts": "1"})
    assert second.notice.progress == [
        "1 of 2 approvals",
        "ada@example.org approves (in chat)",
    ]
    assert first.notice.digest != second.notice.digest


async def test_change_that_shows_nothing_sends_nothing(site: Site) -> None:
    callback = await site.ask()

    async with run_services(site.notifier):
        await idle()
        await site.store.extend(callback.id, HOUR)
        await site.store.revoke(callback.id)
        await site.pass_time(SECOND)

    assert site.slack.purposes == [Purpose.ASK]


async def end(site: Site, callback: Callback, how: str) -> None:
    """End a question in one way."""
    match how:
        case "votes":
            await site.vote(callback)
            await site.vote(callback, "grace@example.org")
        case "answer elsewhere":
            await site.store.accept([factories.answer(callback.id)])
        case "deadline":
            site.clock.advance(HOUR)
            await site.store.accept_defaults([callback.id], factories.outcome_id)
        case "canceled":
            await site.store.expire([factories.expiry(callback, "the workflow was canceled")])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("votes", "Accepted, not yet applied: approval by grace@example.org."),
        ("answer elsewhere", "Accepted, not yet applied"),
        ("deadline", "no decision in time"),
        ("canceled", "Closed without an answer: the workflow was canceled."),
    ],
)
async def test_end_for_any_reason_rewrites_the_message(site: Site, how: str, expected: str) -> None:
    callback = await site.ask(deadline=HOUR, on_deadline=Completed(b'{"approved":false}'))

    async with run_services(site.notifier):
        await idle()
        await end(site, callback, how)
        await site.pass_time(SECOND)

    last = site.slack.got[-1]
    assert expected in (last.notice.ended or "")
    assert not last.notice.can_approve
    assert not last.notice.can_reject


async def test_message_follows_from_accepted_to_verdict(site: Site) -> None:
    callback = await site.ask()

    async with run_services(site.notifier):
        await idle()
        await end(site, callback, "votes")
        await site.pass_time(SECOND)
        await site.settle(callback, State.SUPERSEDED, closed="terminated")
        await site.pass_time(SECOND)

    ended = [message.notice.ended for message in site.slack.got[1:]]
    assert ended == [
        "Accepted, not yet applied: approval by grace@example.org.",
        "Superseded: the activity already ended (terminated). Not applied: approval by"
        " grace@example.org.",
    ]


async def test_no_first_message_about_an_ended_question(site: Site) -> None:
    callback = await site.ask(notify=("slack:#a", "mail", "ops"))
    await end(site, callback, "canceled")

    async with run_services(site.notifier):
        await site.pass_time(HOUR)

    assert not site.slack.got
    assert not site.mail.got
    assert not site.ops.got


async def test_mail_is_quiet_about_votes_and_the_end(site: Site) -> None:
    callback = await site.ask(notify=("mail",), policy=Policy(assignees=(ADA, GRACE), approvals=2))

    async with run_services(site.notifier):
        await idle()
        await end(site, callback, "votes")
        await site.pass_time(HOUR)

    assert site.mail.purposes == [Purpose.ASK] * 2


async def test_changed_subject_is_mailed_again_as_a_reply(site: Site) -> None:
    callback = await site.ask(notify=("mail",), policy=Policy(assignees=(ADA,)))

    async with run_services(site.notifier):
        await idle()
        await site.change_details(callback)
        await site.pass_time(SECOND)

    first, second = site.mail.got
    assert (second.purpose, second.ref) == (Purpose.CHANGE, {"ts": "1"})
    assert second.notice.details == [("euros", "5")]
    assert second.notice.subject != first.notice.subject


async def test_group_is_asked_by_member_and_each_person_once(site: Site) -> None:
    callback = await site.ask(notify=("mail",), policy=Policy(assignees=(FINANCE, ADA)))

    async with run_services(site.notifier):
        await site.pass_time(SECOND)

    assert site.mail.recipients == [ADA, GRACE]
    assert len(await site.entries(callback, AuditKind.NOTIFIED)) == 2


async def test_unknown_group_is_a_visible_failure(site: Site) -> None:
    callback = await site.ask(notify=("mail",), policy=Policy(assignees=("group:nobody",)))

    async with run_services(site.notifier):
        await site.pass_time(SECOND)

    status = await site.status(callback)
    assert status.state == "failed"
    assert "the group nobody has no members" in (status.last_error or "")


async def test_unknown_channel_is_a_visible_failure(site: Site) -> None:
    callback = await site.ask(notify=("typo",))

    async with run_services(site.notifier):
        await site.pass_time(SECOND)

    status = await site.status(callback)
    assert status.last_error == (
        "the channel typo is not configured on this gateway; it has: mail, ops, slack"
    )


async def test_channel_of_a_metric_is_a_configured_one(site: Site) -> None:
    seen = SeenNotifications()
    await site.ask(notify=("typo",))
    await site.ask(notify=("ops",))

    async with run_services(site.make_notifier(hooks=seen)):
        await site.pass_time(SECOND)

    assert sorted(seen.ended) == [("ops", "sent"), ("unknown", "failed")]


async def test_excluded_member_of_a_group_gets_no_message(site: Site) -> None:
    policy = Policy(assignees=(FINANCE,), exclude=("ada@example.org",))
    await site.ask(notify=("mail",), policy=policy)

    async with run_services(site.notifier):
        await site.pass_time(SECOND)

    assert site.mail.recipients == [GRACE]


async def test_reassignment_asks_the_new_person_and_rewrites_for_the_old(site: Site) -> None:
    callback = await site.ask(
        notify=("slack", "mail"), policy=Policy(assignees=(ADA,)), remind_every=HOUR
    )

    async with run_services(site.notifier):
        await idle()
        await site.reassign(callback, GRACE)
        await site.pass_time(SECOND)
        await site.pass_time(HOUR)

    assert [(one.recipient, one.purpose) for one in site.mail.got] == [
        (ADA, Purpose.ASK),
        (GRACE, Purpose.ASK),
        (GRACE, Purpose.REMIND),
    ]
    of_ada = [one for one in site.slack.got if one.recipient == ADA]
    assert [one.purpose for one in of_ada] == [Purpose.ASK, Purpose.UPDATE]
    assert of_ada[-1].notice.asked == ["grace@example.org"]


async def test_reminders_repeat_until_the_end(site: Site) -> None:
    callback = await site.ask(remind_every=HOUR)

    async with run_services(site.notifier):
        await site.pass_time(HOUR - SECOND)
        too_early = list(site.slack.purposes)
        await site.pass_time(SECOND)
        await site.pass_time(HOUR)
        await end(site, callback, "canceled")
        await site.pass_time(SECOND)
        await site.pass_time(10 * HOUR)

    assert too_early == [Purpose.ASK]
    assert site.slack.purposes == [
        Purpose.ASK,
        Purpose.REMIND,
        Purpose.REMIND,
        Purpose.UPDATE,
    ]
    assert len({message.key for message in site.slack.got}) == 4


async def test_person_who_has_voted_is_not_reminded(site: Site) -> None:
    callback = await site.ask(notify=("mail",), remind_every=HOUR)

    async with run_services(site.notifier):
        await idle()
        await site.vote(callback)
        await site.pass_time(SECOND)
        await site.pass_time(HOUR)

    reminded = [one.recipient for one in site.mail.got if one.purpose is Purpose.REMIND]
    assert reminded == [GRACE]


async def test_escalation_asks_more_people_once(site: Site) -> None:
    steps = (Escalation(HOUR, (GRACE,)),)
    policy = Policy(assignees=(ADA,))
    callback = await site.ask(notify=("mail", "slack:#a"), policy=policy, escalate=steps)

    async with run_services(site.notifier):
        await site.pass_time(HOUR)
        await site.pass_time(SECOND)
        await site.pass_time(HOUR)

    escalated = await site.found(callback)
    assert escalated.options.policy is not None
    assert escalated.options.policy.assignees == (ADA, GRACE)
    assert site.mail.recipients == [ADA, GRACE]
    assert site.slack.got[-1].notice.asked == ["ada@example.org", "grace@example.org"]
    (entry,) = await site.entries(callback, AuditKind.REASSIGNED)
    assert (entry.facts["by"], entry.facts["step"]) == ("escalation", 1)


async def test_escalation_of_an_ended_question_does_nothing(site: Site) -> None:
    steps = (Escalation(HOUR, (GRACE,)),)
    callback = await site.ask(policy=Policy(assignees=(ADA,)), escalate=steps)
    await end(site, callback, "canceled")

    async with run_services(site.notifier):
        await site.pass_time(HOUR)

    assert await site.entries(callback, AuditKind.REASSIGNED) == []
    assert await site.store.next_notification() is None


async def test_escalation_of_a_question_to_anybody_excludes_nobody(site: Site) -> None:
    steps = (Escalation(HOUR, (GRACE,)),)
    callback = await site.ask(policy=Policy(), escalate=steps)

    async with run_services(site.notifier):
        await site.pass_time(HOUR)

    assert await site.entries(callback, AuditKind.REASSIGNED) == []


async def test_impossible_escalation_is_recorded(site: Site) -> None:
    policy = Policy(assignees=(ADA,), approvals="majority")
    steps = (Escalation(HOUR, (FINANCE,)),)
    callback = await site.ask(notify=(), policy=policy, escalate=steps)

    async with run_services(site.notifier):
        await site.pass_time(HOUR)

    (entry,) = await site.entries(callback, AuditKind.NOTIFICATION_FAILED)
    assert "majority" in str(entry.facts["reason"])


async def test_failed_message_is_retried_with_backoff_and_the_same_key(site: Site) -> None:
    site.slack.answers = [NotSent("Slack is away")] * 2
    callback = await site.ask()

    async with run_services(site.notifier):
        await site.pass_time(FIRST_WAIT - SECOND / 10)
        too_early = len(site.slack.got)
        failing = await site.status(callback)
        await site.pass_time(SECOND / 10)
        await site.pass_time(2 * FIRST_WAIT)

    assert (too_early, len(site.slack.got)) == (1, 3)
    assert (failing.state, failing.last_error) == ("retrying", "Slack is away")
    assert len({message.key for message in site.slack.got}) == 1
    assert (await site.status(callback)).state == "sent"


async def test_requested_wait_is_respected_up_to_the_longest(site: Site) -> None:
    site.slack.answers = [NotSent("busy", timedelta(days=7))]
    await site.ask()

    async with run_services(site.notifier):
        await site.pass_time(LONGEST_WAIT - SECOND)
        too_early = len(site.slack.got)
        await site.pass_time(SECOND)

    assert (too_early, len(site.slack.got)) == (1, 2)


async def test_message_is_given_up_after_days(site: Site) -> None:
    site.slack.answers = [NotSent("Slack is away")] * 1000
    callback = await site.ask()

    async with run_services(site.notifier):
        for _ in range(int(RETRY_FOR / LONGEST_WAIT) + 20):
            await site.pass_time(LONGEST_WAIT)
        tried = len(site.slack.got)
        await site.pass_time(RETRY_FOR)

    assert len(site.slack.got) == tried
    status = await site.status(callback)
    assert (status.state, status.last_error) == ("failed", "Slack is away")
    assert len(await site.entries(callback, AuditKind.NOTIFICATION_FAILED)) == 1


async def test_message_that_cannot_be_sent_is_not_retried(site: Site) -> None:
    site.slack.answers = [Unsendable("no such channel")]
    callback = await site.ask()

    async with run_services(site.notifier):
        await site.pass_time(RETRY_FOR)

    assert len(site.slack.got) == 1
    assert (await site.status(callback)).last_error == "no such channel"


async def test_bug_of_a_channel_is_a_failure_without_its_message(site: Site) -> None:
    site.slack.answers = [ZeroDivisionError("xoxb-secret")]
    callback = await site.ask()

    async with run_services(site.notifier):
        await idle()

    assert (await site.status(callback)).last_error == "a bug in Ringback: ZeroDivisionError"


async def test_channel_that_hangs_fails_after_its_timeout(site: Site) -> None:
    site.slack.is_up.clear()
    callback = await site.ask()
    notifier = site.make_notifier(patience=timedelta(milliseconds=10))

    async with run_services(notifier), asyncio.timeout(5):
        while (await site.status(callback)).last_error is None:
            await pause()

    assert (await site.status(callback)).last_error == "the channel did not reply in time"


async def test_channel_that_hangs_delays_no_other(site: Site) -> None:
    site.slack.is_up.clear()
    for _ in range(CHANNEL_SLOTS + 5):
        await site.ask()

    async with run_services(site.notifier):
        await idle()
        await site.ask(notify=("ops",))
        await site.pass_time(SECOND)
        sent = len(site.ops.got)

    assert len(site.slack.got) == CHANNEL_SLOTS
    assert sent == 1


async def test_slots_are_used_again_after_a_channel_recovers(site: Site) -> None:
    site.slack.is_up.clear()
    for _ in range(CHANNEL_SLOTS + 5):
        await site.ask()

    async with run_services(site.notifier):
        await idle()
        site.slack.is_up.set()
        await site.pass_time(SECOND)

    assert len(site.slack.got) == CHANNEL_SLOTS + 5


async def test_all_slots_may_be_busy(site: Site) -> None:
    channels = {f"c{number}": FakeChannel() for number in range(SLOTS // CHANNEL_SLOTS + 1)}
    for channel in channels.values():
        channel.is_up.clear()
    notifier = Notifier(
        *(site.store, site.store, site.store),
        channels=channels,
        directory=DIRECTORY,
        to_url=lambda _: "",
        clock=site.clock,
        jitter=lambda: 1.0,
    )
    for name in channels:
        for _ in range(CHANNEL_SLOTS):
            await site.ask(notify=(name,))

    async with run_services(notifier):
        await site.pass_time(SECOND)
        busy = sum(len(channel.got) for channel in channels.values())
        for channel in channels.values():
            channel.is_up.set()
        await site.pass_time(SECOND)

    assert busy == SLOTS
    assert sum(len(channel.got) for channel in channels.values()) == SLOTS + CHANNEL_SLOTS


async def test_killed_notifier_is_followed_by_another_after_the_lease(site: Site) -> None:
    site.slack.is_up.clear()
    await site.ask()
    async with run_services(site.notifier):
        await idle()
    site.slack.is_up.set()

    async with run_services(site.make_notifier()):
        await site.pass_time(LEASE - SECOND)
        too_early = len(site.slack.got)
        await site.pass_time(SECOND)

    assert (too_early, len(site.slack.got)) == (1, 2)
    first, again = site.slack.got
    assert first.key == again.key


async def test_outage_of_the_store_is_survived(
    site: Site, database: InMemoryDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    await site.ask()
    database.is_available = False

    async with run_services(site.notifier):
        await site.pass_time(SECOND)
        database.is_available = True
        await site.pass_time(SECOND)

    assert len(site.slack.got) == 1
    assert "cannot claim notifications" in caplog.text


async def test_log_contains_no_url(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await site.ask()

    async with run_services(site.notifier):
        await idle()

    assert "ring.example" not in caplog.text


@pytest.mark.parametrize("answer", [Sent(), NotSent("busy"), Unsendable("gone")], ids=repr)
async def test_test_message_is_sent_at_once_and_not_retried(site: Site, answer: Sending) -> None:
    site.mail.answers = [answer]

    sending = await site.notifier.test("mail", "ada@example.org")

    assert sending == answer
    (message,) = site.mail.got
    assert (message.purpose, message.recipient) == (Purpose.TEST, "ada@example.org")


async def test_test_of_unknown_channel_names_the_known_ones(site: Site) -> None:
    sending = await site.notifier.test("typo", "")

    assert sending == Unsendable(
        "the channel typo is not configured on this gateway; it has: mail, ops, slack"
    )


async def test_unreadable_callback_is_a_visible_failure(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    callback = await site.ask()

    class Blind(SqlStore):
        async def find(self, _: object) -> dict[Any, Any]:
            return {}

    notifier = site.make_notifier()
    notifier._store = Blind(site.store._database)  # noqa: SLF001 - a row vanishes
    async with run_services(notifier):
        await idle()

    assert (await site.status(callback)).last_error == "its callback cannot be read"
    assert "notification failed" in caplog.text
    assert replace(callback) == callback
