"""Throttle: how many deliveries run beside each other, as many as Temporal takes."""

from typing import Final

SLOTS: Final = 64
"""How many deliveries run at a time at first, and at most after Temporal was away."""

MOST: Final = 256
"""How many run at a time at most; with more, one dev server takes no more a second."""

_CUT: Final = 0.5


class ConcurrencyLimit:
    """Grows while Temporal takes what it is sent, and halves when it says that it is busy.

    It grows by one with each that is taken until something was too much for Temporal, and slowly
    from then on. Temporal limits the requests of a namespace, and failures and cancellations before
    results: without it every refused delivery would come again and take the place of one that might
    pass.
    """

    def __init__(self) -> None:
        """Begin with `SLOTS` at a time."""
        self._allowed = float(SLOTS)
        self._cuts = 0
        self._is_sure = True

    @property
    def allowed(self) -> int:
        """How many deliveries may run at a time; at least one."""
        return int(self._allowed)

    def begin(self) -> int:
        """Return what to tell `end` when the delivery that begins now has ended."""
        return self._cuts

    def end(self, began: int, *, is_busy: bool) -> None:
        """Take note of how a delivery ended; those that began before a cut do not cut again."""
        if not is_busy:
            step = 1.0 if self._is_sure else 1.0 / self._allowed
            self._allowed = min(float(MOST), self._allowed + step)
        elif began == self._cuts:
            self._cut(max(1.0, self._allowed * _CUT))

    def lose(self) -> None:
        """Take note that Temporal is away: once it is back, no herd follows."""
        self._cut(min(float(SLOTS), self._allowed))

    def _cut(self, allowed: float) -> None:
        self._allowed = allowed
        self._cuts += 1
        self._is_sure = False
