"""What every store promises, as tests that each store's own module runs."""

from tests.contract.answering import Answering
from tests.contract.asking import Asking
from tests.contract.clock_set_back import ClockSetBack
from tests.contract.delivering import Delivering
from tests.contract.keeping_alive import KeepingAlive
from tests.contract.keeping_deadlines import KeepingDeadlines
from tests.contract.keeping_keys import KeepingKeys
from tests.contract.keeping_up_to_date import KeepingUpToDate
from tests.contract.keeping_wide_runs import KeepingWideRuns
from tests.contract.looking import ChecksWrites, Looking
from tests.contract.postponing_beats import PostponingBeats
from tests.contract.taking_notes import TakingNotes
from tests.contract.telling import Telling
from tests.contract.unreadable_rows import UnreadableRows


class StoreContract(
    Asking,
    Answering,
    Delivering,
    ClockSetBack,
    KeepingDeadlines,
    KeepingUpToDate,
    KeepingWideRuns,
    TakingNotes,
    KeepingAlive,
    PostponingBeats,
    Telling,
    KeepingKeys,
    Looking,
    ChecksWrites,
    UnreadableRows,
):
    """Every test here runs on every store.

    `store`, `database` and `clock` come from the store's module.
    """
