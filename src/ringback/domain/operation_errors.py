"""Errors of running a gateway: limits, deleted callbacks, outcomes that are given up."""

from typing import NoReturn

from ringback.domain.errors import FinalError, RetryableError, UnknownCallbackError
from ringback.domain.ids import CallbackId


class TooManyRequestsError(RetryableError):
    """A client sends more requests than its limit; retry later, and less often."""


class TooManyBytesError(RetryableError):
    """The gateway's memory for request bodies is full; nothing was stored."""


class DeletedCallbackError(FinalError):
    """The link is valid, but its callback is not stored: it was deleted, or a backup was restored.

    `RINGBACK_KEEP_ENDED_FOR` says how long after its end a callback is kept. After a restore of an
    older backup, a callback that was opened after that backup is missing, and its activity may
    still wait: the next attempt opens another one, with another link.
    """

    def __init__(self) -> None:
        super().__init__(
            "this link no longer leads to a callback: it ended long ago and was deleted, or the"
            " gateway's store was restored from an older backup; do not send it again by this link"
        )


def refuse_missing(serial: int | None) -> NoReturn:
    """Raise the error about a callback that is not stored.

    Somebody who came by a link, which has a `serial`, learns that the callback is gone: the
    signature proves that it was there. Anybody else may have invented the id.

    Raises:
        UnknownCallbackError: Nobody knows that it was there.
        DeletedCallbackError: It was there.
    """
    if serial is None:
        raise UnknownCallbackError
    raise DeletedCallbackError


class StillNeededError(FinalError):
    """The activity of a parked answer still waits for it: deliver it again, do not give it up."""

    def __init__(self, callback_id: CallbackId) -> None:
        super().__init__(
            f"the activity of {callback_id} still waits for its answer; fix what `ringback show`"
            f" says, then: ringback redeliver {callback_id}"
        )
