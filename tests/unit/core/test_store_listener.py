"""The listener subscribes again after an outage of the store."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from ringback.core.services import run_services
from ringback.core.store_listener import StoreListener
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.testing import ManualClock
from tests.loops import idle


class NewsOfAStoreThatWasAway:
    """Fails at first; then sends one notification of each kind, and ends."""

    def __init__(self) -> None:
        self.was_asked = 0

    async def subscribe(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        self.was_asked += 1
        if self.was_asked == 1:
            msg = "the database is not available"
            raise StoreUnavailableError(msg)
        on_accepted()
        on_settled([CallbackId("cb_1")])


async def test_listener_subscribes_again_after_an_outage_of_the_store(clock: ManualClock) -> None:
    heard: list[object] = []
    listener = StoreListener(
        NewsOfAStoreThatWasAway(),
        clock=clock,
        on_accepted=lambda: heard.append("accepted"),
        on_settled=heard.append,
    )

    async with run_services(listener):
        await idle()
        before = list(heard)
        clock.advance(timedelta(seconds=5))
        await idle()

    assert before == []
    assert heard == ["accepted", ["cb_1"]]
