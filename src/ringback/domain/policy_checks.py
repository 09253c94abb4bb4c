"""Escalations, and what must hold for a policy before it is stored."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self

from ringback.domain.durations import check_duration
from ringback.domain.policy import (
    MAJORITY,
    MOST_APPROVALS,
    MOST_ASSIGNEES,
    OnReject,
    Policy,
    RequireReason,
    to_names,
    unique,
)
from ringback.domain.text_checks import LONGEST_NAME, check_choice, is_name

MOST_ESCALATIONS: Final = 10

_ASSIGNEE: Final = re.compile(r"(user|group):(\S(?:.*\S)?)")


@dataclass(frozen=True, slots=True)
class Escalation:
    """More people who are asked if there is no decision after a while.

    Attributes:
        after: How long after the callback was opened.
        assignees: The people who may decide as well from then on, as `user:…` and `group:…`.
    """

    after: timedelta
    assignees: tuple[str, ...]

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Build an escalation from plain JSON, or with `after` as a `timedelta`."""
        after = plain["after"]
        if not isinstance(after, timedelta):
            after = timedelta(seconds=after)
        return cls(after, to_names(plain["assignees"]))

    def to_plain(self) -> dict[str, Any]:
        """Return the escalation as plain JSON; `after` is in seconds."""
        return {"after": self.after.total_seconds(), "assignees": list(self.assignees)}


def check_escalations(plain: Sequence[Mapping[str, Any]]) -> None:
    """Check plain escalations before they are stored.

    Raises:
        ValueError: One is invalid; the message says why.
        TypeError: A duration has the wrong type.
    """
    if len(plain) > MOST_ESCALATIONS:
        msg = f"escalate must have at most {MOST_ESCALATIONS} steps"
        raise ValueError(msg)
    for one in plain:
        check_duration("escalate", Escalation.from_plain(one).after)
        _check_names("assignees", one["assignees"])


def check_escalated_policies(
    policy: Mapping[str, Any] | None, escalate: Sequence[Mapping[str, Any]]
) -> None:
    """Check that the policy, itself valid, remains so after each of these valid escalations.

    Raises:
        ValueError: It does not; the message names the step and says why.
    """
    if policy is None or not policy.get("assignees"):
        # Anybody may decide, so an escalation changes nothing.
        return
    assignees = list(policy["assignees"])
    steps = enumerate(map(Escalation.from_plain, escalate), start=1)
    for number, step in sorted(steps, key=lambda numbered: numbered[1].after):
        assignees = unique([*assignees, *step.assignees])
        try:
            check_policy({**policy, "assignees": assignees})
        except ValueError as exc:
            msg = f"step {number} of escalate cannot be taken: {exc}"
            raise ValueError(msg) from None


def check_policy(plain: Mapping[str, Any] | None) -> None:
    """Check a plain policy before it is stored.

    Raises:
        ValueError: It is invalid, or nobody could ever decide; the message says why.
    """
    if plain is None:
        return
    for name in ("assignees", "exclude"):
        _check_names(name, plain.get(name, ()))
    for name, choices in (("require_reason", RequireReason), ("on_reject", OnReject)):
        if name in plain:
            check_choice(name, choices, plain[name])
    approvals = plain.get("approvals", 1)
    if approvals != MAJORITY and not _is_count(approvals):
        msg = f"approvals must be 1 to {MOST_APPROVALS} or {MAJORITY!r}, not {approvals!r}"
        raise ValueError(msg)
    _check_reachable(Policy.from_plain(plain))


def _check_reachable(policy: Policy) -> None:
    most = policy.most_votes
    if policy.approvals == MAJORITY and most is None:
        msg = (
            "approvals='majority' needs assignees that are all users: groups have no known size;"
            " name users, or set approvals to a number"
        )
        raise ValueError(msg)
    if not policy.is_decision and policy.approvals != 1:
        msg = "approvals counts decisions: where people give the result itself, the first decides"
        raise ValueError(msg)
    if not policy.require_form and policy.approvals_needed > 1:
        msg = "require_form=False needs approvals=1: several people could approve different forms"
        raise ValueError(msg)
    if most is not None and policy.approvals_needed > most:
        msg = f"{policy.approvals_needed} approvals are needed, but only {most} may decide"
        raise ValueError(msg)


def _check_names(name: str, names: Any) -> None:
    if isinstance(names, str) or len(names) > MOST_ASSIGNEES:
        msg = f"{name} must be a list of at most {MOST_ASSIGNEES}"
        raise ValueError(msg)
    for one in names:
        if not isinstance(one, str) or not is_name(one):
            msg = f"{name} contains {one!r}, which is not a name of 1 to {LONGEST_NAME} characters"
            raise ValueError(msg)
        if name == "assignees" and _ASSIGNEE.fullmatch(one) is None:
            msg = f"assignees contains {one!r}; write user:ada@example.org or group:finance"
            raise ValueError(msg)
        if name == "exclude" and _ASSIGNEE.fullmatch(one) is not None:
            msg = f"exclude contains {one!r}; write the name of the user alone: ada@example.org"
            raise ValueError(msg)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_APPROVALS
