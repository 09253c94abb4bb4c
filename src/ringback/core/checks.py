"""Checks: what must be right about an answer before it is accepted.

Temporal would take what is wrong here and say OK, and then fail the activity, cut the answer, or
leave a workflow that can never go on.
"""

from collections import OrderedDict
from typing import Final

from ringback.domain.callback import Callback
from ringback.domain.errors import NoCancelRequestedError, WrongResultError
from ringback.domain.outcome import Canceled, Completed, Outcome
from ringback.ports.activities import Activities
from ringback.ports.results import ResultChecker
from ringback.ports.store import CallbackStore

MOST_SCHEMAS: Final = 256
"""So many schemas are known by heart: each may be 64 KiB, and any opening may bring another."""


class Checks:
    """Checks answers to open callbacks."""

    def __init__(
        self, store: CallbackStore, activities: Activities, results: ResultChecker
    ) -> None:
        """Check sizes and cancellations by `activities`, and results by `results`."""
        self._store = store
        self._activities = activities
        self._results = results
        # A schema never changes. The one that was used last stands last.
        self._schemas: OrderedDict[str, str] = OrderedDict()

    @property
    def schemas_known(self) -> int:
        """How many schemas are known by heart."""
        return len(self._schemas)

    async def check(self, callback: Callback, outcome: Outcome) -> None:
        """Check that `outcome` is an answer to `callback` that Temporal and the workflow can take.

        Raises:
            WrongResultError: It is not what the activity returns.
            AnswerTooLargeError: Temporal would cut it, or fail the activity over it.
            NoCancelRequestedError: It reports a cancellation that nobody asked for.
            RefusedByTemporalError: Whether a cancellation was asked for cannot be learnt.
            TemporalUnreachableError: The same, for now; send the report again.
            StoreUnavailableError: The schema could not be read.
        """
        if isinstance(outcome, Completed):
            await self._check_result(callback, outcome)
        await self._activities.check(callback, outcome)
        if isinstance(outcome, Canceled):
            await self._check_cancel_requested(callback)

    async def _check_result(self, callback: Callback, completed: Completed) -> None:
        if callback.schema_id is None:
            return
        schema = await self._schema(callback.schema_id)
        problems = self._results.problems(schema, completed.result)
        if problems:
            raise WrongResultError(problems)

    async def _schema(self, schema_id: str) -> str:
        schema = self._schemas.get(schema_id)
        if schema is None:
            schema = (await self._store.schemas([schema_id]))[schema_id]
        self._schemas[schema_id] = schema
        self._schemas.move_to_end(schema_id)
        if len(self._schemas) > MOST_SCHEMAS:
            self._schemas.popitem(last=False)
        return schema

    async def _check_cancel_requested(self, callback: Callback) -> None:
        # Kept unseen, a report that Temporal refuses would stand in the way of the real answer.
        (pending,) = await self._activities.look([callback.ref])
        if pending is not None and not pending.cancel_requested:
            msg = "nobody asked this activity to cancel"
            raise NoCancelRequestedError(msg)
