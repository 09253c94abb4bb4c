"""Persons: who somebody is, how that was proven, and which groups they belong to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, NewType

from ringback.domain.policy import LINK_HOLDER, Proof, Voter, is_among
from ringback.domain.text_checks import LONGEST_NAME, is_name, is_user_name, to_key

MOST_GROUPS: Final = 500


class ProofSource(Enum):
    """What proved who a person is."""

    ONE_TIME_URL = "one-time URL"
    """The person opened a sign-in URL that an operator created for them."""

    OIDC = "OpenID Connect"
    """The organization's identity provider."""

    PROXY = "proxy"
    """A trusted proxy in front of the gateway."""


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in person.

    Attributes:
        user: The user, as the identity provider names them: `ada@example.org`.
        name: The name to show.
        groups: The groups of the user.
        is_admin: Whether the person sees and manages the callbacks of everybody.
        proof_source: What proved who they are.
    """

    user: str
    name: str
    groups: frozenset[str]
    is_admin: bool
    proof_source: ProofSource

    def is_user(self, user: str) -> bool:
        """Return whether this is the person of `user`, as `to_key` compares them."""
        return to_key(self.user) == to_key(user)

    def to_voter(self) -> Voter:
        """Return the person as a voter."""
        return Voter(self.user, self.groups, Proof.SIGNED_IN, self.proof_source.value)


def new_person(
    user: str,
    *,
    name: str | None = None,
    groups: Iterable[str] = (),
    is_admin: bool = False,
    proof_source: ProofSource,
) -> Person:
    """Return a person; without a `name`, the user is shown.

    Raises:
        ValueError: A name cannot be used; the message says why.
    """
    check_name("the user", user)
    if not is_user_name(user):
        msg = "the user cannot begin with 'user:', 'group:' or 'key:'"
        raise ValueError(msg)
    if to_key(user) == LINK_HOLDER:
        msg = f"the user cannot be {LINK_HOLDER!r}: that means whoever holds a link"
        raise ValueError(msg)
    unique = frozenset(groups)
    if len(unique) > MOST_GROUPS:
        msg = f"{len(unique)} groups are too many; send at most {MOST_GROUPS}"
        raise ValueError(msg)
    for group in unique:
        check_name("a group", group)
    shown = name or user
    check_name("the name", shown)
    return Person(user, shown, unique, is_admin, proof_source)


def check_name(what: str, text: str) -> None:
    """Check the name of a user, a group or a person.

    Raises:
        ValueError: It is empty or too long, or it has characters that cannot be seen.
    """
    if not is_name(text):
        msg = f"{what} must have 1 to {LONGEST_NAME} visible characters"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Admins:
    """The people who see and manage the callbacks of everybody.

    Attributes:
        names: Each as `user:…` or `group:…`.
    """

    names: frozenset[str] = frozenset()

    def promote(self, person: Person) -> Person:
        """Return `person`, as an admin if they or one of their groups are named."""
        named = [f"user:{person.user}", *(f"group:{group}" for group in person.groups)]
        is_named = any(is_among(name, self.names) for name in named)
        return replace(person, is_admin=True) if is_named else person


NO_ADMINS: Final = Admins()


def parse_admins(text: str) -> Admins:
    """Parse `user:ada@example.org,group:ops`.

    Raises:
        ValueError: A part has another form.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        kind, _, rest = name.partition(":")
        if kind not in {"user", "group"} or not rest.strip():
            msg = f"{name!r} must be user:<user> or group:<group>"
            raise ValueError(msg)
    return Admins(frozenset(names))


SessionId = NewType("SessionId", str)

LONGEST_USER_AGENT: Final = 200

SIGN_IN_URL_LIFETIME: Final = timedelta(hours=1)
"""How long a one-time sign-in URL is valid unless its creator says otherwise."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session. Its secret is only in the browser's cookie; the store has a digest.

    Attributes:
        id: The id, by which it is listed and revoked. It is not secret.
        person: The person, as they were when they signed in.
        user_agent: The browser, as it describes itself, cut to `LONGEST_USER_AGENT` characters.
        created_at: When the person signed in.
        seen_at: When the session was last used, to a few minutes.
        expires_at: When it ends, however often it is used.
        revoked_at: When it was ended before that.
    """

    id: SessionId
    person: Person
    user_agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


USER: Final = "user:"
GROUP: Final = "group:"


@dataclass(frozen=True, slots=True)
class Directory:
    """The people that an operator has configured; names are compared as `to_key` says.

    Attributes:
        groups: The users of each group.
        mail: The mail address of a user whose name is not an address.
        slack: The Slack user id of a user whose Slack account has another mail address.
    """

    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    mail: Mapping[str, str] = field(default_factory=dict, repr=False)
    slack: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        groups: Mapping[str, Iterable[str]],
        mail: Mapping[str, str] | None = None,
        slack: Mapping[str, str] | None = None,
    ) -> "Directory":
        """Return a directory of names in any case."""
        return cls(
            {to_key(name): frozenset(map(to_key, users)) for name, users in groups.items()},
            {to_key(user): address for user, address in (mail or {}).items()},
            {to_key(user): id_ for user, id_ in (slack or {}).items()},
        )

    def members_of(self, group: str) -> frozenset[str]:
        """Return the users of `group`; none if it is unknown."""
        return self.groups.get(to_key(group), frozenset())

    def groups_of(self, user: str) -> frozenset[str]:
        """Return the groups of `user`."""
        name = to_key(user)
        return frozenset(group for group, users in self.groups.items() if name in users)

    def mail_of(self, user: str) -> str | None:
        """Return the mail address of `user`; `None` without one."""
        known = self.mail.get(to_key(user))
        return known or (user if "@" in user else None)

    def user_of_mail(self, address: str) -> str:
        """Return the user who gets mail at `address`: without a configured one, the address."""
        key = to_key(address)
        return next((user for user, mail in self.mail.items() if to_key(mail) == key), address)

    def slack_of(self, user: str) -> str | None:
        """Return the configured Slack user id of `user`."""
        return self.slack.get(to_key(user))

    def user_of_slack(self, slack_id: str) -> str | None:
        """Return the user whose configured Slack user id is `slack_id`."""
        return next((user for user, id_ in self.slack.items() if id_ == slack_id), None)


def to_name(assignee: str) -> str:
    """Return `user:…` or `group:…` for people."""
    if assignee.startswith(GROUP):
        return f"the group {assignee.removeprefix(GROUP)}"
    return assignee.removeprefix(USER)
