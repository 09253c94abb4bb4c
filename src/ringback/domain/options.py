"""Options that an activity sets for its callback, passed whole from the worker to the table.

A new option has five places:

- here: a field, in `_CHECKS` its rule, and in `SHOWN_OPTIONS` its name if operators see it;
- in `ringback.worker.options`: a key of `BaseOptions` or `WaitOptions`;
- in `ringback.schemas.options`: a field of `CommonOptionsIn`, and of `OptionsOut` if it is shown;
- in `ringback.store.tables` and in a migration: a column of its name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any, Final, Self

from ringback.domain.alias import check_aliases
from ringback.domain.durations import check_duration, later
from ringback.domain.outcome import Completed, Failed
from ringback.domain.policy import Policy
from ringback.domain.policy_checks import (
    Escalation,
    check_escalated_policies,
    check_escalations,
    check_policy,
)
from ringback.domain.subject import LONGEST_DESCRIPTION, MOST_DETAILS_BYTES
from ringback.domain.text_checks import (
    LONGEST_NAME,
    check_choice,
    check_json,
    check_labels,
    check_text,
)
from ringback.domain.web_url import parse_url

LONGEST_TITLE: Final = 200
LONGEST_TAG: Final = 64
MOST_TAGS: Final = 20
MOST_METADATA_BYTES: Final = 16 * 1024
"""Measured as compact JSON in UTF-8: every page of a list contains it."""
MOST_CHANNELS: Final = 20
SHORTEST_POLL_EVERY: Final = timedelta(seconds=1)


class Attempts(Enum):
    """Which attempt of the activity an answer may end."""

    ANY = "any"
    """The current one: all attempts share one callback and one link."""

    CURRENT = "current"
    """Only the one that opened the callback: each attempt opens its own, with its own link."""


class HeartbeatBy(Enum):
    """The program that heartbeats for an attempt with a heartbeat timeout."""

    GATEWAY = "gateway"
    """The gateway, until the callback is closed."""

    SENDER = "sender"
    """The sender."""


@dataclass(frozen=True, slots=True)
class CallbackOptions:
    """Options of a callback; all are optional.

    The repr omits URLs, since they may contain secrets.

    Attributes:
        deadline: How long the sender has, from the first opening on; `None` leaves it to
            Temporal's timeouts.
        on_deadline: The default answer; `None` is a failure at `deadline`.
        attempts: Which attempt an answer may end.
        resume: Whether the activity function continues with the answer, in a new attempt.
        poll: Whether a worker polls the sender at `deadline`, before the default answer is used.
        poll_every: The interval at which it also polls before; needs `poll`.
        follow_reset: Whether the callback moves to the run of a workflow reset if the same activity
            waits there.
        heartbeat: The program that heartbeats for the latest attempt.
        cancel_within: How long the sender has to report a requested cancellation; after it, the
            activity ends as canceled.
        cancel_url: Receives a webhook when the answer is no longer needed.
        notify_url: Receives a webhook for every change of the callback.
        title: What is asked, in a few words, for people.
        description: More about it, in Markdown.
        details: Plain JSON about it, which pages and messages show as a table.
        policy: The people rules; `None`: every holder of the link decides.
        notify: The channels through which people are asked: `mail`, `slack:…` or a name that the
            operator configured.
        remind_every: How often people are reminded.
        escalate: More people who are asked later.
        tags: Labels for searching, without duplicates.
        aliases: Business keys that lead to the callback, without duplicates; later attempts and
            `callback.add_alias` add more.
        metadata: The user's own plain JSON.
    """

    deadline: timedelta | None = None
    on_deadline: Completed | Failed | None = field(default=None, repr=False)
    attempts: Attempts = Attempts.ANY
    resume: bool = False
    poll: bool = False
    poll_every: timedelta | None = None
    follow_reset: bool = False
    heartbeat: HeartbeatBy = HeartbeatBy.SENDER
    cancel_within: timedelta | None = None
    cancel_url: str | None = field(default=None, repr=False)
    notify_url: str | None = field(default=None, repr=False)
    title: str | None = None
    description: str | None = field(default=None, repr=False)
    details: dict[str, object] = field(default_factory=dict, repr=False)
    policy: Policy | None = None
    notify: tuple[str, ...] = ()
    remind_every: timedelta | None = None
    escalate: tuple[Escalation, ...] = ()
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    metadata: dict[str, object] = field(default_factory=dict, repr=False)

    @classmethod
    def from_plain(
        cls, plain: Mapping[str, Any], on_deadline: Completed | Failed | None = None
    ) -> Self:
        """Build options from plain values: enums as text, tags as any sequence.

        The values are not checked: stored options met the rules of their time.
        """
        values = {
            name: _FROM_PLAIN[name](value) if name in _FROM_PLAIN else value
            for name, value in plain.items()
        }
        return cls(on_deadline=on_deadline, **values)

    def updated_by(self, later: Self) -> Self:
        """Return these options, with those of a later attempt that each attempt sets."""
        names = ("heartbeat", "resume", "poll", "poll_every")
        return replace(self, **{name: getattr(later, name) for name in names})

    def cancel_due_at(self, requested_at: datetime) -> datetime | None:
        """Return when the activity ends as canceled without a report; `None` if it does not."""
        return None if self.cancel_within is None else later(requested_at, self.cancel_within)

    def to_plain(self) -> dict[str, Any]:
        """Return all options except `on_deadline`, in the form that `from_plain` reads."""
        return {name: _to_plain(getattr(self, name)) for name in PLAIN_OPTIONS}


PLAIN_OPTIONS: Final = tuple(
    option.name for option in fields(CallbackOptions) if option.name != "on_deadline"
)
"""The options with one plain value; `on_deadline` is a whole answer."""

SHOWN_OPTIONS: Final = (
    *("title", "tags", "aliases", "attempts", "metadata", "description", "details", "policy"),
)
"""The options that operators see by themselves; others are part of a state, or may be secret."""


def check_options(plain: Mapping[str, Any]) -> None:
    """Check plain options before anything is stored.

    Raises:
        ValueError: An option is invalid; the message names it and says why.
        TypeError: An option has the wrong type, or cannot be encoded as JSON.
    """
    for name, value in plain.items():
        check_option(name, value)
    check_combinations(plain)


def check_option(name: str, value: Any) -> None:
    """Check one plain option; an option without a rule may have any value.

    Raises:
        ValueError: The value is invalid; the message says why.
        TypeError: It has the wrong type, or cannot be encoded as JSON.
    """
    if name in _CHECKS:
        _CHECKS[name](value)


def check_combinations(plain: Mapping[str, Any]) -> None:
    """Check that plain options, each of which is valid, fit one another.

    Raises:
        ValueError: They do not; the message says why.
    """
    if plain.get("resume") and plain.get("attempts") == Attempts.CURRENT.value:
        msg = "resume needs attempts='any': the activity continues in another attempt"
        raise ValueError(msg)
    _check_poll(plain)
    check_escalated_policies(plain.get("policy"), plain.get("escalate", ()))


def _check_poll(plain: Mapping[str, Any]) -> None:
    every = plain.get("poll_every")
    if not plain.get("poll"):
        if every is not None:
            msg = "poll_every needs poll"
            raise ValueError(msg)
        return
    if every is None and plain.get("deadline") is None:
        msg = "poll needs a deadline, at which the worker polls, or poll_every"
        raise ValueError(msg)
    if plain.get("attempts") == Attempts.CURRENT.value:
        msg = "poll needs attempts='any': another attempt polls for the same callback"
        raise ValueError(msg)
    if plain.get("policy") is not None:
        msg = "poll and people rules exclude each other: there is no service to poll"
        raise ValueError(msg)


def _check_poll_every(every: timedelta | None) -> None:
    check_duration("poll_every", every)
    if every is not None and every < SHORTEST_POLL_EVERY:
        msg = "poll_every must be at least one second: each poll is an attempt of its own"
        raise ValueError(msg)


def _check_url(name: str, url: str | None) -> None:
    if url is not None:
        parse_url(name, url)


def _to_plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case tuple():
            return [_to_plain(one) for one in value]
        case Policy() | Escalation():
            return value.to_plain()
        case _:
            return value


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _to_policy(plain: Mapping[str, Any] | None) -> Policy | None:
    return None if plain is None else Policy.from_plain(plain)


def _to_escalations(plain: Iterable[Mapping[str, Any]]) -> tuple[Escalation, ...]:
    return tuple(map(Escalation.from_plain, plain))


_CHOICES: Final[dict[str, type[Enum]]] = {
    option.name: option.type
    for option in fields(CallbackOptions)
    if isinstance(option.type, type) and issubclass(option.type, Enum)
}
_FROM_PLAIN: Final[dict[str, Callable[[Any], Any]]] = {
    **_CHOICES,
    "policy": _to_policy,
    "notify": _unique,
    "escalate": _to_escalations,
    "tags": _unique,
    "aliases": _unique,
}
_CHECKS: Final[dict[str, Callable[[Any], None]]] = {
    "deadline": partial(check_duration, "deadline"),
    "cancel_within": partial(check_duration, "cancel_within"),
    "poll_every": _check_poll_every,
    "cancel_url": partial(_check_url, "cancel_url"),
    "notify_url": partial(_check_url, "notify_url"),
    "title": partial(check_text, "title", LONGEST_TITLE),
    "description": partial(check_text, "description", LONGEST_DESCRIPTION),
    "details": partial(check_json, "details", MOST_DETAILS_BYTES),
    "policy": check_policy,
    "notify": partial(check_labels, "notify", "channel", most=MOST_CHANNELS, longest=LONGEST_NAME),
    "remind_every": partial(check_duration, "remind_every"),
    "escalate": check_escalations,
    "tags": partial(check_labels, "tags", "tag", most=MOST_TAGS, longest=LONGEST_TAG),
    "aliases": check_aliases,
    "metadata": partial(check_json, "metadata", MOST_METADATA_BYTES),
    **{name: partial(check_choice, name, choices) for name, choices in _CHOICES.items()},
}
