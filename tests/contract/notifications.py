"""The contract of every store for messages to people."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.assignment import Actor, Change, change_details, reassign
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId
from ringback.domain.notification import ESCALATION, Notification
from ringback.domain.policy import Policy, Proof, Voter
from ringback.domain.policy_checks import Escalation
from ringback.domain.vote import Vote, VoteRequest
from ringback.ports.deadlines import LongestWaits
from ringback.ports.notifications import Failure, Shown
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import LEASE, SECOND, Store, entries_of, found

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ADA, FINANCE = "user:ada@example.org", "group:finance"
POLICY = Policy(assignees=(ADA, FINANCE), approvals=2)
OPERATOR = Actor(Voter("somebody", proof=Proof.API_KEY), is_operator=True)


async def asked(store: Store, **options: Any) -> Callback:
    """Open a callback that asks people by mail, unless `options` say otherwise."""
    request = factories.request(**{"notify": ("mail",), "policy": POLICY, **options})
    (callback,) = await store.open([request])
    return callback


async def claimed(store: Store, limit: int = 100) -> Sequence[Notification]:
    return await store.claim_notifications(limit=limit, lease=LEASE)


async def shown_all(store: Store, **facts: Any) -> None:
    """Claim everything that is due, and store that it is shown."""
    for one in await claimed(store):
        shown = Shown(one, "s", "d", ref={"ts": "1"}, was_asked=True)
        await store.end_notification(replace(shown, **facts))


async def targets(store: Store) -> list[tuple[str, str]]:
    """Return channel and recipient of everything that is due, in order."""
    return sorted((one.channel, one.recipient) for one in await claimed(store))


def vote_of(callback: Callback, user: str = "ada@example.org") -> VoteRequest:
    voter = Voter(user, frozenset({"finance"}), Proof.CHAT)
    return VoteRequest(callback.id, factories.outcome_id(), voter)


async def reassigned(store: Store, callback: Callback, *assignees: str) -> None:
    def rule(current: Callback, votes: Sequence[Vote]) -> Change:
        return reassign(current, votes, assignees, actor=OPERATOR)

    assert await store.change(callback.id, rule, by={}) is not None


async def details_changed(store: Store, callback: Callback) -> None:
    def rule(current: Callback, votes: Sequence[Vote]) -> Change:
        return change_details(current, votes, {"euros": 5})

    assert await store.change(callback.id, rule, by={}) is not None


async def change(store: Store, callback: Callback, clock: ManualClock, what: str) -> None:
    """Change a callback in one way."""
    match what:
        case "vote":
            await store.vote([vote_of(callback)])
        case "subject changed":
            await details_changed(store, callback)
        case "reassigned":
            await reassigned(store, callback, FINANCE)
        case "extended":
            await store.extend(callback.id, 2 * HOUR)
        case "accepted":
            await store.accept([factories.answer(callback.id)])
        case "expired":
            await store.expire([factories.expiry(callback)])
        case "default taken":
            clock.advance(HOUR)
            await store.accept_defaults([callback.id], factories.outcome_id)


class NotificationsContract:
    async def test_opening_adds_one_message_per_channel_and_person(self, store: Store) -> None:
        channels = ("mail", "slack:#finance", "slack:@ada", "ops", "mail")

        await asked(store, notify=channels)

        assert await targets(store) == [
            ("mail", FINANCE),
            ("mail", ADA),
            ("ops", ""),
            ("slack", "#finance"),
            ("slack", "@ada"),
        ]

    async def test_question_to_nobody_has_one_message_without_recipient(self, store: Store) -> None:
        await asked(store, policy=None)

        assert await targets(store) == [("mail", "")]

    async def test_later_attempt_repeats_no_message(self, store: Store, clock: ManualClock) -> None:
        ref = factories.activity_ref()
        callback = await asked(store, ref=ref)
        await shown_all(store)
        first = [one.sent_at for one in await store.notifications_of(callback.id)]

        clock.advance(HOUR)
        await asked(store, ref=ref, attempt=2)
        await shown_all(store, was_asked=False)

        assert [one.sent_at for one in await store.notifications_of(callback.id)] == first
        assert len(await entries_of(store, callback.id, AuditKind.NOTIFIED)) == len(first) == 2

    async def test_callback_without_channels_has_no_messages(self, store: Store) -> None:
        callback = await asked(store, notify=())
        await store.vote([vote_of(callback)])

        assert await claimed(store) == []
        assert await store.next_notification() is None

    async def test_claimed_message_is_not_claimed_again_during_its_lease(
        self, store: Store, clock: ManualClock
    ) -> None:
        await asked(store, notify=("ops",))
        assert await store.next_notification() == timedelta(0)
        (first,) = await claimed(store)

        assert await claimed(store) == []
        assert await store.next_notification() == LEASE
        clock.advance(LEASE)
        (again,) = await claimed(store)

        assert (again.id, first.tries, again.tries) == (first.id, 1, 2)

    async def test_messages_of_excluded_channels_are_claimed_later(self, store: Store) -> None:
        await asked(store, notify=("ops", "slack:#a"))

        others = await store.claim_notifications(limit=9, lease=LEASE, excluded=["ops", "mail"])

        assert [one.channel for one in others] == ["slack"]
        assert [one.channel for one in await claimed(store)] == ["ops"]

    async def test_claim_returns_longest_due_up_to_limit(
        self, store: Store, clock: ManualClock
    ) -> None:
        ids = []
        for _ in range(3):
            ids.append((await asked(store, notify=("ops",))).id)
            clock.advance(SECOND)

        assert {one.callback_id for one in await claimed(store, limit=2)} == set(ids[:2])
        assert {one.callback_id for one in await claimed(store, limit=2)} == set(ids[2:])

    async def test_shown_message_is_quiet_and_recorded(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await asked(store, notify=("ops",))
        await shown_all(store)

        assert await store.next_notification() is None
        (status,) = await store.notifications_of(callback.id)
        assert (status.state, status.sent_at, status.tries) == ("sent", clock.now(), 0)
        (entry,) = await entries_of(store, callback.id, AuditKind.NOTIFIED)
        assert entry.facts == {"channel": "ops", "recipient": ""}

    @pytest.mark.parametrize(
        "what",
        [
            *("vote", "subject changed", "reassigned", "extended", "accepted", "expired"),
            "default taken",
        ],
    )
    async def test_each_change_makes_the_message_due(
        self, store: Store, clock: ManualClock, what: str
    ) -> None:
        callback = await asked(store, notify=("slack:#a",), deadline=HOUR)
        other = await asked(store, notify=("slack:#a",), deadline=HOUR)
        await shown_all(store)

        await change(store, callback, clock, what)

        (due,) = await claimed(store)
        assert (due.callback_id, due.ref, due.shown) == (callback.id, {"ts": "1"}, "s")
        assert other.id != callback.id

    async def test_answer_without_rules_and_deadline_makes_the_message_due(
        self, store: Store
    ) -> None:
        callback = await asked(store, notify=("slack:#a",), policy=None)
        await shown_all(store)

        await store.accept([factories.answer(callback.id)])

        assert len(await claimed(store)) == 1

    @pytest.mark.parametrize("verdict", [State.APPLIED, State.SUPERSEDED, State.PARKED])
    async def test_each_verdict_makes_the_message_due(self, store: Store, verdict: State) -> None:
        callback = await asked(store, notify=("slack:#a",))
        await store.accept([factories.answer(callback.id)])
        await shown_all(store)
        accepted = await found(store, callback.id)

        await store.settle([factories.settlement(accepted, verdict)])

        assert len(await claimed(store)) == 1

    async def test_redelivery_makes_the_message_due(self, store: Store) -> None:
        callback = await asked(store, notify=("slack:#a",))
        await store.accept([factories.answer(callback.id)])
        accepted = await found(store, callback.id)
        await store.settle([factories.settlement(accepted, State.PARKED)])
        await shown_all(store)

        await store.redeliver(callback.id)

        assert len(await claimed(store)) == 1

    async def test_change_during_a_claim_is_not_lost(self, store: Store) -> None:
        callback = await asked(store, notify=("slack:#a",))
        (first,) = await claimed(store)
        await store.vote([vote_of(callback)])

        meanwhile = await claimed(store)
        await store.end_notification(Shown(first, "s", "d", ref={"ts": "1"}, was_asked=True))

        (again,) = await claimed(store)
        assert meanwhile == []
        assert (again.shown, again.ref, again.version) == ("s", {"ts": "1"}, first.version + 1)

    async def test_change_during_a_failing_claim_is_not_lost(self, store: Store) -> None:
        callback = await asked(store, notify=("slack:#a",))
        (first,) = await claimed(store)
        await store.vote([vote_of(callback)])

        await store.fail_notification(Failure(first, "gone", None))

        (again,) = await claimed(store)
        assert again.last_error == "gone"

    async def test_result_of_an_older_claim_is_ignored(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await asked(store, notify=("ops",))
        (old,) = await claimed(store)
        clock.advance(LEASE)
        (new,) = await claimed(store)

        await store.end_notification(Shown(old, "old", "d", was_asked=True))
        await store.fail_notification(Failure(old, "old", None))
        await store.end_notification(Shown(new, "new", "d", was_asked=True))

        (status,) = await store.notifications_of(callback.id)
        assert (status.state, status.last_error) == ("sent", None)
        assert len(await entries_of(store, callback.id, AuditKind.NOTIFIED)) == 1

    async def test_reminder_is_due_from_the_latest_that_asked(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await asked(store, notify=("ops",))
        await shown_all(store, next_in=HOUR)
        assert await store.next_notification() == HOUR

        clock.advance(MINUTE)
        await store.vote([vote_of(callback)])
        await shown_all(store, next_in=HOUR, was_asked=False)

        assert await store.next_notification() == HOUR - MINUTE

    async def test_failed_try_is_due_after_its_wait_and_recorded_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await asked(store, notify=("ops",))
        started_at = clock.now()
        for reason in ("busy", "away"):
            (one,) = await claimed(store)
            await store.fail_notification(Failure(one, reason, SECOND))
            assert await store.next_notification() == SECOND
            clock.advance(SECOND)

        (status,) = await store.notifications_of(callback.id)
        assert (status.state, status.last_error, status.tries) == ("retrying", "away", 2)
        (entry,) = await entries_of(store, callback.id, AuditKind.NOTIFICATION_RETRYING)
        assert entry.facts == {"channel": "ops", "recipient": "", "reason": "busy"}
        (again,) = await claimed(store)
        assert again.failing_since == started_at

    async def test_given_up_message_is_quiet_until_the_callback_changes(self, store: Store) -> None:
        callback = await asked(store, notify=("ops",))
        (one,) = await claimed(store)
        await store.fail_notification(Failure(one, "no such channel", None))
        (status,) = await store.notifications_of(callback.id)
        quiet = await store.next_notification()

        await store.vote([vote_of(callback)])

        assert (status.state, status.last_error) == ("failed", "no such channel")
        assert quiet is None
        (entry,) = await entries_of(store, callback.id, AuditKind.NOTIFICATION_FAILED)
        assert entry.facts["reason"] == "no such channel"
        (again,) = await claimed(store)
        assert again.failing_since is None

    async def test_success_forgets_earlier_failures(self, store: Store, clock: ManualClock) -> None:
        callback = await asked(store, notify=("ops",))
        (one,) = await claimed(store)
        await store.fail_notification(Failure(one, "busy", SECOND))
        clock.advance(SECOND)

        await shown_all(store)

        (status,) = await store.notifications_of(callback.id)
        assert (status.state, status.last_error, status.tries) == ("sent", None, 0)

    async def test_failure_stays_visible_when_nothing_more_is_sent(self, store: Store) -> None:
        callback = await asked(store, notify=("ops",))
        (one,) = await claimed(store)
        await store.fail_notification(Failure(one, "busy", SECOND))
        await store.accept([factories.answer(callback.id)])
        (again,) = await claimed(store)

        await store.end_notification(Shown(again))

        (status,) = await store.notifications_of(callback.id)
        assert (status.state, status.last_error, status.sent_at) == ("failed", "busy", None)

    async def test_group_is_replaced_by_its_members_once(self, store: Store) -> None:
        callback = await asked(store)
        group = next(one for one in await claimed(store) if one.recipient == FINANCE)

        await store.add_recipients(group, ["user:Ada@example.org", "user:grace@example.org"])
        await store.add_recipients(group, ["user:grace@example.org"])

        assert await targets(store) == [("mail", "user:grace@example.org")]
        assert len(await store.notifications_of(callback.id)) == 3

    async def test_reassignment_adds_messages_for_new_people_only(self, store: Store) -> None:
        callback = await asked(store)
        await shown_all(store)
        await reassigned(store, callback, ADA, "user:lin@example.org")
        await shown_all(store)

        first_asked = [
            entry.facts["recipient"]
            for entry in await entries_of(store, callback.id, AuditKind.NOTIFIED)
        ]

        assert first_asked.count("user:lin@example.org") == 1

    async def test_escalations_are_due_after_their_time_and_no_message(
        self, store: Store, clock: ManualClock
    ) -> None:
        steps = (Escalation(HOUR, ("user:boss@example.org",)), Escalation(2 * HOUR, (FINANCE,)))
        callback = await asked(store, notify=(), escalate=steps)
        await store.vote([vote_of(callback)])

        assert await claimed(store) == []
        assert await store.next_notification() == HOUR
        clock.advance(HOUR)
        (due,) = await claimed(store)
        await store.end_notification(Shown(due))

        assert (due.channel, due.recipient) == (ESCALATION, "0")
        assert await store.next_notification() == HOUR
        assert await store.notifications_of(callback.id) == []

    async def test_due_times_far_ahead_are_repaired_but_not_reminders(self, store: Store) -> None:
        await asked(store, notify=("ops",))
        await asked(store, notify=("slack:#a",), remind_every=5 * HOUR)
        failing, reminded = sorted(await claimed(store), key=lambda one: one.channel)
        await store.fail_notification(Failure(failing, "busy", 4 * HOUR))
        await store.end_notification(Shown(reminded, "s", "d", was_asked=True, next_in=5 * HOUR))

        await store.repair(LongestWaits(delivery=HOUR, webhook=HOUR, poll=HOUR))

        assert [one.id for one in await claimed(store)] == [failing.id]

    async def test_repair_changes_at_most_a_thousand_messages(self, store: Store) -> None:
        request = factories.request(notify=("ops",))
        await store.open([
            factories.request_of(request, ref=factories.activity_ref()) for _ in range(1001)
        ])
        far = timedelta(days=1)
        await store.claim_notifications(limit=1001, lease=HOUR, excluded=())

        first = await store.repair(LongestWaits(delivery=far, webhook=MINUTE, poll=far))
        second = await store.repair(LongestWaits(delivery=far, webhook=MINUTE, poll=far))

        assert (first, second) == (1000, 1)

    async def test_messages_of_unknown_callback_are_none(self, store: Store) -> None:
        assert await store.notifications_of(CallbackId("cb_unknown")) == []

    async def test_many_callbacks_are_opened_together_with_their_messages(
        self, store: Store
    ) -> None:
        request = factories.request(notify=("ops",))
        requests = [factories.request_of(request, ref=factories.activity_ref()) for _ in range(5)]
        await store.open(requests)

        assert len(await claimed(store)) == 5
