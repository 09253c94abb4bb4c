"""The policy of a callback: which people may decide, and how many must agree."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Final, Literal, Self, TypeAlias

from ringback.domain.text_checks import to_key

MOST_ASSIGNEES: Final = 100
MOST_GROUPS: Final = 1000
MOST_APPROVALS: Final = 50
LONGEST_REASON: Final = 2000

EXCLUDED: Final = "you may not decide this yourself"
"""Why an excluded person, such as the requester, is refused."""

LINK_HOLDER: Final = "link"
"""The user of votes by link: all holders of links count as one person."""

MAJORITY: Final = "majority"

Approvals: TypeAlias = int | Literal["majority"]


class Proof(Enum):
    """How it was proven who a voter is, from the weakest to the strongest."""

    LINK = "link"
    """Not at all: the voter holds a link."""

    API_KEY = "API key"
    """A program with an API key named the voter."""

    CHAT = "chat"
    """The chat platform's signature."""

    SIGNED_IN = "signed in"
    """A session."""


class RequireReason(Enum):
    """When a voter must give a reason."""

    NEVER = "never"
    REJECTION = "rejection"
    ALWAYS = "always"


class OnReject(Enum):
    """How the activity ends when people reject."""

    RESULT = "result"
    """With a result that says so."""

    FAIL = "fail"
    """With a non-retryable failure of type `ApprovalDenied`."""


@dataclass(frozen=True, slots=True)
class Voter:
    """The person who votes.

    Attributes:
        user: The user, as identity providers name them; `LINK_HOLDER` for a holder of a link.
        groups: The groups of the user.
        proof: How that was proven.
        via: What proved it, for the audit trail: the id of the API key, or the chat account.
    """

    user: str
    groups: frozenset[str] = frozenset()
    proof: Proof = Proof.LINK
    via: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """The people who may decide, and how many must agree.

    Attributes:
        is_decision: Whether people approve or reject. Otherwise they give the result itself, and
            the first who does decides.
        assignees: The people who may decide, as `user:…` and `group:…`. Empty: anybody who can
            reach the callback.
        exclude: Users who may not decide, such as the one who requested it.
        approvals: How many distinct people must approve, or `majority` of the assignees.
        veto: Whether one rejection rejects. Otherwise people reject together once approval can no
            longer be reached, or as many have rejected as must approve.
        require_reason: When a voter must give a reason.
        on_reject: How the activity ends when people reject.
        require_form: Whether a yes needs the form, where there is one.
        link_decides: Whether whoever holds a link may vote. `None`: only without assignees and
            excluded users, and where one approval suffices.
    """

    is_decision: bool = True
    assignees: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    approvals: Approvals = 1
    veto: bool = True
    require_reason: RequireReason = RequireReason.NEVER
    on_reject: OnReject = OnReject.RESULT
    require_form: bool = True
    link_decides: bool | None = None

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Build a policy from plain JSON, as `to_plain` returns it. The values are not checked."""
        values = {name: _FROM_PLAIN.get(name, _same)(value) for name, value in plain.items()}
        return cls(**values)

    def to_plain(self) -> dict[str, Any]:
        """Return the policy as plain JSON."""
        return {one.name: _to_plain(getattr(self, one.name)) for one in fields(self)}

    @property
    def approvals_needed(self) -> int:
        """How many distinct people must approve."""
        if self.approvals == MAJORITY:
            return len(self.assignees) // 2 + 1
        return self.approvals

    @property
    def rejections_needed(self) -> int:
        """How many distinct people must reject."""
        if self.veto:
            return 1
        most = self.most_votes
        return self.approvals_needed if most is None else most - self.approvals_needed + 1

    @property
    def has_rules(self) -> bool:
        """Whether it matters who decides: people are named, or several must approve."""
        return bool(self.assignees or self.exclude) or self.approvals_needed > 1

    @property
    def link_may_decide(self) -> bool:
        """Whether whoever holds a link may vote."""
        if self.link_decides is not None:
            return self.link_decides
        return not self.has_rules

    def why_not(self, voter: Voter) -> str | None:
        """Return why `voter` may not decide; `None` if they may."""
        if voter.proof is Proof.LINK:
            return None if self.link_may_decide else "a link alone does not decide here: sign in"
        if is_among(voter.user, self.exclude):
            return EXCLUDED
        if self.assignees and not self.is_assigned(voter):
            return "you are not one of the people who may decide this"
        return None

    def is_assigned(self, voter: Voter) -> bool:
        """Return whether the assignees contain the user or one of the groups of `voter`."""
        names = [f"user:{voter.user}", *(f"group:{group}" for group in voter.groups)]
        return any(is_among(name, self.assignees) for name in names)

    def needs_reason(self, *, approved: bool) -> bool:
        """Return whether a vote needs a reason."""
        if self.require_reason is RequireReason.ALWAYS:
            return True
        return self.require_reason is RequireReason.REJECTION and not approved

    @property
    def most_votes(self) -> int | None:
        """How many distinct people can vote at most; `None` if groups or anybody can."""
        if not self.assignees or not all(map(is_user, self.assignees)):
            return None
        users = {to_key(_name(one)) for one in self.assignees}
        able = users - {to_key(user) for user in self.exclude}
        return len(able) + int(self.link_may_decide)


def is_among(name: str, names: Iterable[str]) -> bool:
    """Return whether `names` contains `name`, as `to_key` compares them."""
    return to_key(name) in {to_key(one) for one in names}


def unique(names: Iterable[str]) -> list[str]:
    """Return the names without those that have the key of an earlier one."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(to_key(name), name)
    return list(first.values())


def is_user(assignee: str) -> bool:
    """Return whether an assignee is a user, not a group."""
    return assignee.startswith("user:")


def _name(assignee: str) -> str:
    return assignee.partition(":")[2]


def _same(value: Any) -> Any:
    return value


def to_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return `unique` names as a tuple."""
    return tuple(unique(names))


def _to_plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case tuple():
            return list(value)
        case _:
            return value


_FROM_PLAIN: Final[dict[str, Any]] = {
    "assignees": to_names,
    "exclude": to_names,
    "require_reason": RequireReason,
    "on_reject": OnReject,
}


def to_person(user: str) -> str:
    """Return a voter's name for people."""
    return "somebody with the link" if user == LINK_HOLDER else user
