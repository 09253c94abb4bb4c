"""Keeping callbacks up to date and their activities alive, in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId
from ringback.ports.keeping import LOOKS_AT_ONCE, Beat, Claim, Note, Noted, Sighting
from ringback.store.care import ENDS, Kept, beat, note, see
from ringback.testing.memory.shelf import Shelf


class MemoryKeeping(Shelf):
    """`Keeping` in memory."""

    async def claim_looks(
        self, *, limit: int, lease: timedelta, most: int = LOOKS_AT_ONCE
    ) -> Claim:
        """See `Keeping.claim_looks`."""
        now = self._now()
        due = [one for one in self._in_state(State.OPEN) if self._cares[one.id].is_look_due(now)]
        due.sort(key=lambda callback: (self._look_due_at(callback), callback.id))
        runs = list(dict.fromkeys(callback.ref.run for callback in due))
        claimed = self._of_runs(runs[:limit], now, most)
        for callback in claimed:
            care = self._cares[callback.id]
            care = replace(care, look_due_at=now + lease, look_held_until=now + lease)
            self._cares[callback.id] = care
        are_left = any(self._cares[callback.id].is_look_due(now) for callback in due)
        return Claim(claimed, is_full=len(runs) >= limit or are_left)

    def _of_runs(
        self, runs: Sequence[tuple[str, str, str]], now: datetime, most: int
    ) -> Sequence[Callback]:
        """Return the open callbacks of whole runs, `most` at most; of the first in any case."""
        claimed: list[Callback] = []
        for run in runs:
            of_run = [one for one in self._not_looked_for(now) if one.ref.run == run]
            of_run.sort(key=lambda callback: (self._look_due_at(callback), callback.id))
            if claimed and len(claimed) + len(of_run) > most:
                break
            claimed += sorted(of_run[:most], key=lambda callback: callback.id)
        return claimed

    def _not_looked_for(self, now: datetime) -> Sequence[Callback]:
        open_ones = self._in_state(State.OPEN)
        return [one for one in open_ones if not self._cares[one.id].is_look_held(now)]

    def _look_due_at(self, callback: Callback) -> datetime:
        return self._cares[callback.id].look_due_at

    async def keep_sightings(self, sightings: Sequence[Sighting]) -> None:
        """See `Keeping.keep_sightings`."""
        now = self._now()
        for one in sightings:
            for kept in self._kept(one.callback_id):
                self._keep(see(kept, one, now))

    async def note(self, notes: Sequence[Note], *, lease: timedelta) -> Sequence[Noted]:
        """See `Keeping.note`."""
        now = self._now()
        return [self._note(one, now, lease) for one in notes]

    def _note(self, said: Note, now: datetime, lease: timedelta) -> Noted:
        for before in self._kept(said.callback_id):
            kept, noted = note(before, said, now, lease=lease)
            self._keep(kept)
            return noted
        return Noted(None, is_due=False)

    async def claim_beats(self, *, limit: int, lease: timedelta) -> Sequence[Callback]:
        """See `Keeping.claim_beats`."""
        now = self._now()
        due = sorted((at, callback.id) for callback, at in self._beating() if at <= now)
        return [self._hold_beat(id_, now + lease) for _, id_ in due[:limit]]

    def _beating(self) -> Iterable[tuple[Callback, datetime]]:
        for callback in self._callbacks.values():
            due_at = callback.vitals.beat_due_at
            if callback.state not in ENDS and due_at is not None:
                yield callback, due_at

    def _hold_beat(self, callback_id: CallbackId, until: datetime) -> Callback:
        callback, care = self._callbacks[callback_id], self._cares[callback_id]
        self._cares[callback_id] = replace(care, beat_held_until=until)
        return self._put(replace(callback, vitals=replace(callback.vitals, beat_due_at=until)))

    async def keep_beats(self, beats: Sequence[Beat]) -> None:
        """See `Keeping.keep_beats`."""
        now = self._now()
        for one in beats:
            for kept in self._kept(one.callback_id):
                self._keep(beat(kept, one, now))

    async def postpone_beats(
        self, callback_ids: Sequence[CallbackId], wait: timedelta | None
    ) -> None:
        """See `Keeping.postpone_beats`."""
        now = self._now()
        claimed = [id_ for id_ in callback_ids if self._is_beat_claimed(id_)]
        for id_ in claimed:
            if wait is not None:
                self._hold_beat(id_, now + wait)
            else:
                self._give_beat_up(id_, now)

    def _is_beat_claimed(self, callback_id: CallbackId) -> bool:
        care = self._cares.get(callback_id)
        return care is not None and care.beat_held_until is not None

    def _give_beat_up(self, callback_id: CallbackId, now: datetime) -> None:
        callback, care = self._callbacks[callback_id], self._cares[callback_id]
        self._put(replace(callback, vitals=replace(callback.vitals, beat_due_at=None)))
        care = replace(care, look_due_at=now, look_held_until=None, beat_held_until=None)
        self._cares[callback_id] = care

    async def next_beat(self) -> timedelta | None:
        """See `Keeping.next_beat`."""
        now = self._now()
        return min((max(timedelta(0), at - now) for _, at in self._beating()), default=None)

    def _kept(self, callback_id: CallbackId) -> Iterable[Kept]:
        callback = self._callbacks.get(callback_id)
        if callback is not None:
            yield Kept(callback, self._cares[callback_id])

    def _keep(self, kept: Kept) -> None:
        self._put(kept.callback)
        self._cares[kept.callback.id] = kept.care
        for event in kept.happened:
            self._record_event(event)
