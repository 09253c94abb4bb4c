"""Give up: close a parked outcome that its activity cannot use any more."""

import logging
from dataclasses import dataclass
from typing import Final

from ringback.core.hooks import Hooks
from ringback.core.operations import get_callback
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.core.verdicts import is_opener, judge, resolve
from ringback.domain.activity_state import ActivityState, Pending, Unknown
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.ending import GIVEN_UP_BY
from ringback.domain.errors import (
    NotParkedError,
    StoreUnavailableError,
    TemporalMisconfiguredError,
)
from ringback.domain.ids import CallbackId
from ringback.domain.operation_errors import StillNeededError
from ringback.domain.outcome import is_retried
from ringback.ports.activities import Activities
from ringback.ports.deliveries import GiveUp, ParkedAnswers, Settlement
from ringback.ports.store import CallbackStore

logger = logging.getLogger(__name__)

GIVE_UP_TRIES: Final = 3
"""How often a callback is looked at that something else changes meanwhile."""

_HAS_ENDED: Final = frozenset({State.APPLIED, State.SUPERSEDED})


@dataclass(frozen=True, slots=True)
class GiveUpRequest:
    """An operator's wish to give a parked outcome up.

    Attributes:
        key: The id of the API key.
        name: The name that the operator gave, if any.
        reason: The reason that the operator gave, if any.
        temporal_is_gone: Whether the operator knows that the Temporal server or the namespace that
            ran the activity does not exist any more. Then another one need not know the activity.
    """

    key: str
    name: str | None = None
    reason: str | None = None
    temporal_is_gone: bool = False

    @property
    def facts(self) -> dict[str, object]:
        """The key, the name and the reason, for the audit trail."""
        said = {"name": self.name, "reason": self.reason}
        return {"by": self.key, **{name: fact for name, fact in said.items() if fact is not None}}


class GiveUpService:
    """Closes parked outcomes whose activities have ended or were deleted."""

    def __init__(
        self,
        store: CallbackStore,
        parked: ParkedAnswers,
        activities: Activities,
        *,
        verdicts: VerdictWaiter,
        hooks: Hooks,
    ) -> None:
        """Look at `activities`, then close outcomes of `store` in `parked`.

        Each verdict is announced to `verdicts` and reported to `hooks`.
        """
        self._store = store
        self._parked = parked
        self._activities = activities
        self._verdicts = verdicts
        self._hooks = hooks

    async def give_up(self, callback_id: CallbackId, request: GiveUpRequest) -> Callback:
        """Close a parked outcome; return the callback afterwards.

        It becomes superseded, or applied if Temporal proves that. Its body stays until the
        retention deletes the callback. Safe to repeat: the second call returns the same.

        Raises:
            UnknownCallbackError: The callback does not exist.
            NotParkedError: It has no outcome, or its outcome is being delivered.
            StillNeededError: Its activity still waits for it.
            TemporalUnreachableError: Temporal does not reply; nothing changed.
            TemporalMisconfiguredError: This Temporal did not run the activity, and the request does
                not say that the one that did is gone.
            StoreUnavailableError: The change could not be stored; retry.
        """
        for _ in range(GIVE_UP_TRIES):
            callback = await get_callback(self._store, callback_id)
            if callback.state in _HAS_ENDED:
                return callback
            accepted = callback.accepted
            if callback.state is not State.PARKED or accepted is None:
                msg = f"it is {callback.state.value}, not {State.PARKED.value}"
                raise NotParkedError(msg)
            settlement = await self._settlement(callback, accepted, request)
            end = GiveUp(settlement, callback.attempt_started_at, request.facts)
            if await self._parked.give_up(end):
                self._report(settlement, request)
                return await get_callback(self._store, callback_id)
        msg = f"{callback_id} changes all the time; try again"
        raise StoreUnavailableError(msg)

    async def _settlement(
        self, callback: Callback, accepted: Accepted, request: GiveUpRequest
    ) -> Settlement:
        there, found = await self._resolve(callback, temporal_is_gone=request.temporal_is_gone)
        accepted = there.accepted or accepted
        proven = judge(callback, accepted, found)
        proof: dict[str, object] = {GIVEN_UP_BY: request.name or request.key}
        if proven is not None and proven.verdict is not State.PARKED:
            return Settlement(
                callback.id, accepted.tries, proven.verdict, {**proven.proof, **proof}
            )
        if proven is not None:
            proof |= proven.proof
        elif isinstance(found, Unknown):
            proof["reason"] = found.why
        elif _reaches_no_attempt(callback, accepted, found):
            proof["closed"] = f"attempt {callback.attempt} ended"
        else:
            raise StillNeededError(callback.id)
        return Settlement(callback.id, accepted.tries, State.SUPERSEDED, proof)

    async def _resolve(
        self, callback: Callback, *, temporal_is_gone: bool
    ) -> tuple[Callback, ActivityState]:
        try:
            there, found = await resolve(self._activities, callback)
        except TemporalMisconfiguredError as exc:
            if not temporal_is_gone:
                msg = (
                    f"{exc}; if the Temporal that ran the activity does not exist any more, say so:"
                    f" ringback give-up {callback.id} --temporal-is-gone"
                )
                raise TemporalMisconfiguredError(msg) from exc
            return callback, Unknown(str(exc))
        if isinstance(found, Unknown) and callback.options.follow_reset:
            # The run that was reset may be deleted while the later one still waits.
            moved_to = await self._activities.find_after_reset(callback.ref)
            if moved_to is not None:
                return callback, await self._activities.resolve(moved_to)
        return there, found

    def _report(self, settlement: Settlement, request: GiveUpRequest) -> None:
        facts = {
            "callback_id": settlement.callback_id,
            "verdict": settlement.verdict.value,
            "key": request.key,
        }
        logger.info("outcome given up", extra=facts)
        self._verdicts.announce([settlement.callback_id])
        self._hooks.outcomes_settled([settlement])


def _reaches_no_attempt(callback: Callback, accepted: Accepted, found: ActivityState) -> bool:
    """Return whether a retryable failure belongs to an attempt that has ended.

    A later attempt opens a new callback: `ringback.domain.opening.needs_new_callback`.
    """
    return (
        isinstance(found, Pending)
        and is_retried(accepted.outcome)
        and not is_opener(callback, found)
    )
