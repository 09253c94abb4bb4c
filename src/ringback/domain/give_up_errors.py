"""The error about giving an answer up. The tree of all errors is in `ringback.domain.errors`."""

from ringback.domain.errors import FinalError
from ringback.domain.ids import CallbackId


class StillNeededError(FinalError):
    """The activity of a parked answer still waits for it: deliver it again, do not give it up."""

    def __init__(self, callback_id: CallbackId) -> None:
        super().__init__(
            f"the activity of {callback_id} still waits for its answer; fix what `ringback show`"
            f" says, then: ringback redeliver {callback_id}"
        )
