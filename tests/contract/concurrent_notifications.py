"""The contract of a SQL store for messages that several gateways send concurrently."""

import asyncio
from collections.abc import Sequence
from typing import Final

from ringback.domain.audit import AuditKind
from ringback.domain.notification import Notification
from ringback.domain.policy import Policy, Proof, Voter
from ringback.domain.vote import VoteRequest
from ringback.ports.notifications import Shown
from ringback.store.sql_store import SqlStore
from tests import factories
from tests.contract.stores import LEASE, entries_of

ROUNDS: Final = 5
MANY: Final = 8


async def claimed(store: SqlStore) -> Sequence[Notification]:
    return await store.claim_notifications(limit=MANY, lease=LEASE)


class ConcurrentNotificationsContract:
    """The fixture `stores` is four stores on one database."""

    async def test_due_message_is_claimed_by_one_process(self, stores: Sequence[SqlStore]) -> None:
        for _ in range(ROUNDS):
            requests = [factories.request(notify=("ops",)) for _ in range(MANY)]
            opened = await stores[0].open(requests)

            claims = await asyncio.gather(*(claimed(store) for store in stores))

            found = [one for claim in claims for one in claim]
            assert sorted(one.callback_id for one in found) == sorted(one.id for one in opened)
            for one in found:
                await stores[0].end_notification(Shown(one, "s", "d", was_asked=True))

    async def test_vote_while_a_message_is_sent_makes_it_due_again(
        self, stores: Sequence[SqlStore]
    ) -> None:
        one, other, third, _ = stores
        for _ in range(ROUNDS):
            policy = Policy(approvals=2)
            (callback,) = await one.open([factories.request(notify=("ops",), policy=policy)])
            (message,) = await claimed(one)
            vote = VoteRequest(callback.id, factories.outcome_id(), Voter("ada", proof=Proof.CHAT))

            await asyncio.gather(
                other.vote([vote]),
                third.end_notification(Shown(message, "s", "d", was_asked=True)),
            )

            (again,) = await claimed(one)
            assert (again.id, again.shown) == (message.id, "s")
            await one.end_notification(Shown(again, "t", "d"))
            assert len(await entries_of(one, callback.id, AuditKind.NOTIFIED)) == 1
