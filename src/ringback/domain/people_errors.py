"""Errors about people: who they are, and their votes."""

from collections.abc import Sequence
from datetime import datetime

from ringback.domain.errors import FinalError, MalformedAnswerError, Problem, RetryableError


class NotSignedInError(FinalError):
    """Only a signed-in person may do this. A browser is sent to the sign-in page."""


class CrossSiteRequestError(FinalError):
    """A request that changes something did not come from a page of this gateway."""


class SignInRefusedError(FinalError):
    """A person could not be signed in; the message says why, and what to do."""


class UnknownSignInUrlError(FinalError):
    """The sign-in URL was used, has expired or is incomplete; ask for a new one.

    One error covers all cases, so that guessing reveals nothing.
    """


class UnknownSessionError(FinalError):
    """There is no session with this id."""


class IdentityProviderUnavailableError(RetryableError):
    """The identity provider did not reply, or replied with something unusable; sign in again."""


class PeopleDecideError(FinalError):
    """People decide this callback by rules; the message says how a decision can be sent."""


class NotAssignedError(FinalError):
    """This person may not decide; the message says why."""


class ClaimedError(FinalError):
    """Another person has claimed the callback; they or an operator must release it first."""

    def __init__(self, claimant: str) -> None:
        super().__init__(f"{claimant} has claimed this; wait until it is released or decided")


class SubjectChangedError(FinalError):
    """The subject has changed since the voter saw it; show the new version and ask again.

    Attributes:
        changed: The names of the parts that differ, such as `details.amount`, as far as known.
    """

    def __init__(self, changed: Sequence[str] = ()) -> None:
        names = ", ".join(changed) or "it"
        super().__init__(f"the question has changed since you saw it ({names}); read it again")
        self.changed = tuple(changed)


class VotedDifferentlyError(FinalError):
    """This person has voted differently; the earlier vote must be withdrawn first.

    Attributes:
        voted_at: When the earlier vote was committed.
    """

    def __init__(self, voted_at: datetime) -> None:
        super().__init__("you have voted differently; withdraw that vote first")
        self.voted_at = voted_at


class VoteWithdrawnError(FinalError):
    """This vote was withdrawn, or removed by a reassignment, so a late retry does not count.

    Attributes:
        ballot: The ballot that a new vote must name.
    """

    def __init__(self, ballot: int) -> None:
        super().__init__("this vote was withdrawn, or removed by a reassignment; vote again")
        self.ballot = ballot


class WrongVoteError(MalformedAnswerError):
    """A vote lacks something or contains what is not asked for.

    Attributes:
        problems: What is wrong, and where.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        said = "; ".join(f"{one.path or 'the vote'}: {one.message}" for one in problems)
        super().__init__(f"this vote cannot be counted: {said}")
        self.problems = problems
