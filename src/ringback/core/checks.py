"""Checks: what must be right about an answer before it is accepted.

Temporal would take what is wrong here and say OK, and then fail the activity, cut the answer, or
leave a workflow that can never go on.
"""

from collections import OrderedDict
from typing import Final

from ringback.domain.errors import NoCancelRequestedError, WrongResultError
from ringback.domain.outcome import Canceled, Completed, Outcome
from ringback.domain.terms import Terms
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

    def check_at_once(self, terms: Terms, outcome: Outcome) -> bool:
        """Check an answer that no schema applies to, without waiting.

        Returns whether it was checked; if not, `check` it.
        """
        if not isinstance(outcome, Completed) or terms.schema_id is not None:
            return False
        return self._activities.takes(terms, outcome)

    async def check(self, terms: Terms, outcome: Outcome) -> None:
        """Check that `outcome` is an answer that Temporal and the workflow can take.

        Raises:
            WrongResultError: It is not what the activity returns.
            AnswerTooLargeError: Temporal would cut it, or fail the activity over it.
            NoCancelRequestedError: It reports a cancellation that nobody asked for.
            RefusedByTemporalError: Whether a cancellation was asked for cannot be learnt.
            TemporalUnreachableError: The same, for now; send the report again.
            StoreUnavailableError: The schema could not be read.
        """
        if isinstance(outcome, Completed):
            await self._check_result(terms, outcome)
        await self._activities.check(terms, outcome)
        if isinstance(outcome, Canceled):
            await self._check_cancel_requested(terms)

    async def _check_result(self, terms: Terms, completed: Completed) -> None:
        if terms.schema_id is None:
            return
        schema = await self._schema(terms.schema_id)
        problems = await self._results.problems(schema, completed.result)
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

    async def _check_cancel_requested(self, terms: Terms) -> None:
        # Kept unseen, a report that Temporal refuses would stand in the way of the real answer.
        (pending,) = await self._activities.look([terms.ref])
        if pending is not None and not pending.cancel_requested:
            msg = "nobody asked this activity to cancel"
            raise NoCancelRequestedError(msg)
