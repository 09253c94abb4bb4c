"""A call is reported as failed or as applied only with a reason."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from ringback.completion.call import Call, raise_if_asked_to_stop
from ringback.completion.outcome_lookup import LookupResult, OutcomeLookup
from ringback.completion.retry import Tries
from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.callback import ActivityExecution
from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityResetError,
    CompletionRefusedError,
    CompletionUnansweredError,
    CompletionUnprovenError,
)
from ringback.domain.errors import FinalError, RetryableError, RingbackError
from ringback.temporal.encoding import Result
from ringback.temporal.requests import ActivityRequests, Address

Code = RPCStatusCode
LOST = RPCError("transport error", Code.UNKNOWN, b"")
GONE = RPCError("invalid activityID or activity already timed out", Code.NOT_FOUND, b"")
BUSY = RPCError("rate limit exceeded", Code.RESOURCE_EXHAUSTED, b"")
REFUSED = RPCError("no", Code.INVALID_ARGUMENT, b"")
DOWN = RuntimeError("Failed client connect")
NOTHING = HeartbeatResponse(cancel_requested=False, paused=False, reset=False)


@dataclass
class Server(ActivityRequests):
    """Replies as scripted; then accepts everything."""

    ends: list[Exception]
    asked: int = 0

    def end(self, *_: Any) -> Callable[[timedelta], Awaitable[object]]:
        return self._answer

    def heartbeat(self, *_: Any) -> Callable[[timedelta], Awaitable[Any]]:
        return self._answer

    async def _answer(self, _: timedelta) -> object:
        self.asked += 1
        if self.ends:
            raise self.ends.pop(0)
        return "pulse"


@dataclass
class History(OutcomeLookup):
    """Shows what the test scripted."""

    proof: LookupResult | Exception = LookupResult.NOT_APPLIED
    is_reset: bool | Exception = False
    looked: int = 0

    async def find_proof(self, *_: Any) -> LookupResult:
        self.looked += 1
        if isinstance(self.proof, Exception):
            raise self.proof
        return self.proof

    async def was_reset(self, _: timedelta) -> bool:
        if isinstance(self.is_reset, Exception):
            raise self.is_reset
        return self.is_reset


@dataclass
class Env:
    """A call, its server and its history."""

    address: Address
    server: Server
    history: History
    time: list[float] = field(default_factory=lambda: [0.0])

    def call(self) -> Call:
        async def sleep(delay: float) -> None:
            self.time[0] += delay

        tries = Tries(
            timedelta(seconds=4), monotonic=lambda: self.time[0], sleep=sleep, jitter=lambda: 1.0
        )
        return Call(self.address, tries, identity="me/1", requests=self.server, lookup=self.history)

    async def end(self) -> None:
        await self.call().end(Result(None))


def addressed(*, run_id: str = "a-run", token: bytes | None = None) -> Address:
    execution = ActivityExecution("default", "w", run_id, "1", datetime.fromtimestamp(0, UTC))
    return Address(execution, token)


BY_TOKEN = addressed(token=b"a token")
BY_IDS = addressed()
OF_THE_LATEST = addressed(run_id="")

every_way = pytest.mark.parametrize(
    "by", [BY_TOKEN, BY_IDS, OF_THE_LATEST], ids=["token", "ids", "ids of the latest"]
)
repeatable = pytest.mark.parametrize("by", [BY_TOKEN, BY_IDS], ids=["token", "ids"])


def env(
    by: Address, *ends: Exception, proof: LookupResult | Exception = LookupResult.NOT_APPLIED
) -> Env:
    return Env(by, Server(list(ends)), History(proof))


@every_way
async def test_accepted_call_is_made_once_and_never_looked_up(by: Address) -> None:
    taken = env(by)

    await taken.end()

    assert (taken.server.asked, taken.history.looked) == (1, 0)


@every_way
@pytest.mark.parametrize("end", [BUSY, DOWN], ids=["busy", "down"])
async def test_try_that_never_arrived_is_retried_without_doubt(by: Address, end: Exception) -> None:
    again = env(by, end, end)

    await again.end()

    assert (again.server.asked, again.history.looked) == (3, 0)


@every_way
@pytest.mark.parametrize("end", [BUSY, DOWN], ids=["busy", "down"])
async def test_not_found_after_a_rejected_try_is_raised(by: Address, end: Exception) -> None:
    gone = env(by, end, GONE, proof=LookupResult.APPLIED)

    with pytest.raises(ActivityNotFoundError):
        await gone.end()

    assert gone.history.looked == 0


async def test_call_by_token_is_retried_after_a_lost_reply_without_a_lookup() -> None:
    again = env(BY_TOKEN, LOST)

    await again.end()

    assert (again.server.asked, again.history.looked) == (2, 0)


async def test_call_by_ids_is_looked_up_before_a_retry() -> None:
    applied, not_applied = env(BY_IDS, LOST, proof=LookupResult.APPLIED), env(BY_IDS, LOST)

    await applied.end()
    await not_applied.end()

    assert (applied.server.asked, applied.history.looked) == (1, 1)
    assert (not_applied.server.asked, not_applied.history.looked) == (2, 1)


@pytest.mark.parametrize("by", [BY_IDS, OF_THE_LATEST], ids=["ids", "ids of the latest"])
async def test_call_by_ids_is_unproven_if_the_lookup_shows_nothing(by: Address) -> None:
    hidden = env(by, LOST, proof=LookupResult.NOTHING)

    with pytest.raises(CompletionUnprovenError):
        await hidden.end()

    assert hidden.server.asked == 1


@pytest.mark.parametrize("proof", [REFUSED, DOWN], ids=["refused", "down"])
async def test_call_by_ids_is_not_retried_if_it_cannot_be_looked_up(proof: Exception) -> None:
    lost = env(BY_IDS, LOST, proof=proof)

    with pytest.raises(CompletionUnansweredError) as caught:
        await lost.end()

    assert caught.value.may_be_applied
    assert lost.server.asked == 1


async def test_call_by_ids_without_a_run_is_not_retried_after_a_lost_reply() -> None:
    lost = env(OF_THE_LATEST, LOST)

    with pytest.raises(CompletionUnansweredError, match="with a run id") as caught:
        await lost.end()

    assert caught.value.may_be_applied
    assert lost.server.asked == 1


async def test_call_by_ids_without_a_run_is_looked_up_after_a_lost_reply() -> None:
    applied = env(OF_THE_LATEST, LOST, proof=LookupResult.APPLIED)

    await applied.end()

    assert (applied.server.asked, applied.history.looked) == (1, 1)


async def test_not_found_after_a_lost_reply_is_looked_up() -> None:
    ours = env(BY_TOKEN, LOST, GONE, proof=LookupResult.APPLIED)

    await ours.end()

    assert ours.history.looked == 1


@repeatable
async def test_not_found_is_raised_if_history_shows_another_identity(by: Address) -> None:
    somebody = env(by, LOST, GONE, proof=LookupResult.NOT_APPLIED)

    with pytest.raises(ActivityNotFoundError) as caught:
        await somebody.end()

    assert caught.value.__cause__ is GONE


@pytest.mark.parametrize(
    "proof", [LookupResult.NOTHING, REFUSED, DOWN], ids=["nothing", "refused", "down"]
)
async def test_call_without_evidence_is_unproven(proof: LookupResult | Exception) -> None:
    unproven = env(BY_TOKEN, LOST, GONE, proof=proof)

    with pytest.raises(CompletionUnprovenError) as caught:
        await unproven.end()

    assert caught.value.identity == "me/1"
    assert "'me/1'" in str(caught.value)


@repeatable
async def test_final_lookup_finds_an_applied_call_when_no_try_gets_a_reply(by: Address) -> None:
    applied = env(by, *[LOST] * 99, proof=LookupResult.APPLIED)

    await applied.end()

    assert applied.history.looked == 1


@every_way
async def test_call_without_a_reply_times_out_and_says_that_it_may_be_applied(
    by: Address,
) -> None:
    lost, down = env(by, *[LOST] * 99), env(by, *[DOWN] * 99)

    with pytest.raises(CompletionUnansweredError) as in_doubt:
        await lost.end()
    with pytest.raises(CompletionUnansweredError) as without:
        await down.end()

    assert (in_doubt.value.may_be_applied, without.value.may_be_applied) == (True, False)
    assert in_doubt.value.cause is LOST
    assert in_doubt.value.retry_after is None
    assert max(lost.time[0], down.time[0]) <= 4


@every_way
@pytest.mark.parametrize("before", [[], [BUSY]], ids=["at once", "after a pause"])
async def test_rejection_is_final(by: Address, before: list[Exception]) -> None:
    refused = env(by, *before, REFUSED)

    with pytest.raises(CompletionRefusedError, match="INVALID_ARGUMENT: no") as caught:
        await refused.end()

    assert caught.value.cause is REFUSED


async def test_rejection_after_a_lost_reply_is_final() -> None:
    refused = env(BY_TOKEN, LOST, REFUSED)

    with pytest.raises(CompletionRefusedError):
        await refused.end()


@pytest.mark.parametrize(
    ("is_reset", "kind"),
    [(True, ActivityResetError), (False, ActivityNotFoundError), (DOWN, ActivityNotFoundError)],
    ids=["reset", "not reset", "not shown"],
)
async def test_token_that_a_reset_invalidated_raises_the_reset_error(
    is_reset: bool | Exception,  # noqa: FBT001 - what history shows
    kind: type[RingbackError],
) -> None:
    gone = env(BY_TOKEN, GONE)
    gone.history.is_reset = is_reset

    with pytest.raises(RingbackError) as caught:
        await gone.end()

    assert type(caught.value) is kind


@every_way
async def test_heartbeat_is_retried_after_a_lost_reply_without_proof(
    by: Address,
) -> None:
    heartbeats, gone = env(by, LOST, DOWN), env(by, LOST, GONE, proof=LookupResult.APPLIED)

    response: object = await heartbeats.call().heartbeat(None)
    with pytest.raises(ActivityNotFoundError):
        await gone.call().heartbeat(None)

    assert (response, heartbeats.server.asked) == ("pulse", 3)
    assert gone.history.looked == 0


async def test_heartbeat_without_a_reply_says_whether_it_may_be_recorded() -> None:
    lost, down = env(BY_TOKEN, *[LOST] * 99), env(BY_TOKEN, *[DOWN] * 99)

    with pytest.raises(CompletionUnansweredError) as in_doubt:
        await lost.call().heartbeat(None)
    with pytest.raises(CompletionUnansweredError) as without:
        await down.call().heartbeat(None)

    assert (in_doubt.value.may_be_applied, without.value.may_be_applied) == (True, False)


@pytest.mark.parametrize(
    ("flags", "kind", "branch"),
    [
        ("cancel_requested paused reset", ActivityCancelledError, FinalError),
        ("paused reset", ActivityPausedError, RetryableError),
        ("reset", ActivityResetError, FinalError),
    ],
)
def test_heartbeat_with_several_flags_raises_the_most_urgent(
    flags: str, kind: type[RingbackError], branch: type[RingbackError]
) -> None:
    response = replace(NOTHING, **dict.fromkeys(flags.split(), True))

    with pytest.raises(branch) as caught:
        raise_if_asked_to_stop(response)

    assert type(caught.value) is kind
    details: Any = getattr(caught.value, "details", None)
    assert (details.paused, details.reset) == (response.paused, response.reset)


def test_heartbeat_without_flags_raises_nothing() -> None:
    raise_if_asked_to_stop(NOTHING)


def test_error_never_shows_the_token() -> None:
    assert "a token" not in repr(BY_TOKEN)
