"""Validation: what must hold for an answer before it is accepted.

Temporal would accept an invalid answer, and then fail the activity, cut the answer, or leave a
workflow that can never continue.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from ringback.core.group_commit import GroupCommit
from ringback.domain.callback import Callback
from ringback.domain.errors import NoCancelRequestedError, UnknownCallbackError, WrongResultError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Canceled, Completed, Outcome
from ringback.domain.terms import Terms, to_terms
from ringback.ports.activities import Activities
from ringback.ports.results import ResultChecker
from ringback.ports.store import CallbackStore

MOST_SCHEMAS: Final = 256
"""Maximum schemas in the cache: each may be 64 KiB, and any opening may bring another."""

MOST_TERMS: Final = 8192
"""Maximum callbacks whose terms are cached; each takes about 1 KiB."""

K = TypeVar("K")
V = TypeVar("V")


class AnswerValidator:
    """Validates answers to callbacks, outside every transaction of the store."""

    def __init__(
        self, store: CallbackStore, activities: Activities, results: ResultChecker
    ) -> None:
        """Check sizes and cancellations with `activities`, and results with `results`."""
        self._store = store
        self._activities = activities
        self._results = results
        self._schemas: _Cache[str, str] = _Cache(MOST_SCHEMAS)
        self._terms: _Cache[CallbackId, Terms] = _Cache(MOST_TERMS)
        self._reads: GroupCommit[CallbackId, Terms | None] = GroupCommit(self._read_terms)

    async def run(self) -> None:
        """Read terms until canceled."""
        await self._reads.run()

    async def terms(self, callback_id: CallbackId) -> Terms | None:
        """Return what answers to a callback are validated against; `None` if it does not exist.

        Raises:
            StoreUnavailableError: The terms could not be read.
        """
        terms = self._terms.get(callback_id)
        if terms is None:
            terms = await self._reads.submit(callback_id)
        return terms

    def remember(self, callback: Callback) -> None:
        """Cache the terms of a callback that was opened here, so that its answer needs no read."""
        self._terms.put(callback.id, to_terms(callback))

    async def _read_terms(self, callback_ids: Sequence[CallbackId]) -> Sequence[Terms | None]:
        found = await self._store.terms(callback_ids)
        for callback_id, terms in found.items():
            self._terms.put(callback_id, terms)
        return [found.get(callback_id) for callback_id in callback_ids]

    async def check(self, terms: Terms, outcome: Outcome) -> None:
        """Check that Temporal and the workflow can accept `outcome`.

        Raises:
            WrongResultError: It is not what the activity returns.
            AnswerTooLargeError: Temporal would cut it, or fail the activity because of it.
            NoCancelRequestedError: It reports a cancellation that was not requested.
            RefusedByTemporalError: Temporal rejects the question whether one was requested.
            TemporalUnreachableError: Temporal does not reply to that question; send the report
                again.
            StoreUnavailableError: The schema could not be read.
        """
        if isinstance(outcome, Completed):
            await self.check_result(terms, outcome)
        await self.check_size(terms, outcome)
        if isinstance(outcome, Canceled):
            await self._check_cancel_requested(terms.callback_id)

    async def check_size(self, terms: Terms, outcome: Outcome) -> None:
        """Check that Temporal stores `outcome` unabridged.

        Raises:
            AnswerTooLargeError: Temporal would cut it, or fail the activity because of it.
            EncodingError: The data converter cannot encode it now; retry.
        """
        await self._activities.check(terms, outcome)

    async def check_result(self, terms: Terms, completed: Completed) -> None:
        """Check a result by the callback's JSON Schema.

        Raises:
            WrongResultError: It is not what the schema describes.
            StoreUnavailableError: The schema could not be read.
        """
        schema_id = terms.schema_id
        if schema_id is None:
            return
        schema = self._schemas.get(schema_id)
        if schema is None:
            schema = (await self._store.schemas([schema_id]))[schema_id]
            self._schemas.put(schema_id, schema)
        problems = await self._results.problems(schema, completed.result)
        if problems:
            raise WrongResultError(problems)

    async def _check_cancel_requested(self, callback_id: CallbackId) -> None:
        # The run is not cached: a reset of the workflow changes it.
        callback = (await self._store.find([callback_id])).get(callback_id)
        if callback is None:
            raise UnknownCallbackError
        # Without this check, a report that Temporal rejects would block the real answer.
        (pending,) = await self._activities.poll([callback.ref])
        if pending is not None and not pending.cancel_requested:
            msg = "no cancellation of this activity was requested"
            raise NoCancelRequestedError(msg)


class _Cache(Generic[K, V]):
    """The most recently used values, which never change."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return the value of `key`, if it is cached, and mark it as used."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Cache `value`; drop the least recently used one if there are too many."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)
