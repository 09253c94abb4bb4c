"""Throttle: how many deliveries run beside each other, as many as Temporal takes."""

from typing import Final

_STEP: Final = 1.0
_CUT: Final = 0.5


class Throttle:
    """Grows slowly while Temporal takes what it is sent, and halves when it is too much for it.

    Temporal limits the requests of a namespace, and failures and cancellations before results:
    without it every refused delivery would come again and take the place of one that might pass.
    """

    def __init__(self, most: int) -> None:
        """Begin with `most` at a time, which is also the most there will be."""
        self._most = most
        self._allowed = float(most)
        self._cuts = 0

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
            self._allowed = min(float(self._most), self._allowed + _STEP / self._allowed)
        elif began == self._cuts:
            self._allowed = max(1.0, self._allowed * _CUT)
            self._cuts += 1
