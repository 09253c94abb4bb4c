"""A person has visible names, and is compared without regard to case."""

import pytest

from ringback.domain.person import (
    MOST_GROUPS,
    NO_ADMINS,
    ProofSource,
    new_person,
    parse_admins,
)
from ringback.domain.policy import Proof


def test_person_without_a_name_is_shown_as_the_user() -> None:
    person = new_person("ada@example.org", proof_source=ProofSource.PROXY)

    assert (person.name, person.groups, person.is_admin) == ("ada@example.org", frozenset(), False)


def test_person_votes_as_signed_in() -> None:
    person = new_person("ada", groups=["finance"], proof_source=ProofSource.OIDC)

    voter = person.to_voter()

    assert (voter.user, voter.groups) == ("ada", frozenset({"finance"}))
    assert (voter.proof, voter.via) == (Proof.SIGNED_IN, "OpenID Connect")


@pytest.mark.parametrize(
    ("user", "name", "groups"),
    [
        ("", None, []),
        (" ada", None, []),
        ("a\x00da", None, []),
        ("ada\N{RIGHT-TO-LEFT OVERRIDE}", None, []),
        ("a" * 201, None, []),
        ("LINK", None, []),
        ("user:ada", None, []),
        ("GROUP:finance", None, []),
        ("key:k1", None, []),
        ("ada", "Ada\n", []),
        ("ada", None, [""]),
        ("ada", None, ["finance\t"]),
        ("ada", None, [str(number) for number in range(MOST_GROUPS + 1)]),
    ],
)
def test_unusable_names_are_refused(user: str, name: str | None, groups: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        new_person(user, name=name, groups=groups, proof_source=ProofSource.OIDC)


def test_users_are_compared_without_regard_to_case() -> None:
    person = new_person("Ada@Example.org", proof_source=ProofSource.OIDC)

    assert person.is_user("ada@example.ORG")
    assert not person.is_user("ada@example.com")


@pytest.mark.parametrize(
    ("admins", "is_admin"),
    [
        ("", False),
        ("user:ADA", True),
        (" user:eve , group:ops ", True),
        ("group:Ops", True),
        ("user:ops,group:ada", False),
    ],
)
def test_admins_are_users_and_groups(admins: str, is_admin: bool) -> None:  # noqa: FBT001 - a case
    person = new_person("ada", groups=["ops"], proof_source=ProofSource.OIDC)

    assert parse_admins(admins).promote(person).is_admin is is_admin
    assert NO_ADMINS.promote(person) == person


@pytest.mark.parametrize("text", ["ada", "users:ada", "user:", "group: ", "user:ada,x"])
def test_other_admins_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be user:<user> or group:<group>"):
        parse_admins(text)
