"""What an identity provider says becomes a person, or is refused."""

from typing import Any

import pytest

from ringback.domain.people_errors import SignInRefusedError
from ringback.gateway.identity.claims import ClaimRules, to_person

ADA = {"sub": "1", "email": "Ada@example.org", "email_verified": True, "name": "Ada Lovelace"}
OF_EXAMPLE = ClaimRules(allowed_domains=frozenset({"example.org"}))


def test_person_has_the_claims() -> None:
    person = to_person({**ADA, "groups": ["finance", "ops"]}, ClaimRules())

    assert (person.user, person.name) == ("Ada@example.org", "Ada Lovelace")
    assert person.groups == {"finance", "ops"}
    assert not person.is_admin


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        (None, set()),
        ("finance", {"finance"}),
        ([], set()),
        (["a", 1, None, "", {"b": 1}], {"a"}),
        ({"a": 1}, set()),
        (5, set()),
    ],
)
def test_groups_of_any_form_are_read(claim: object, groups: set[str]) -> None:
    assert to_person({**ADA, "groups": claim}, ClaimRules()).groups == groups


@pytest.mark.parametrize("verified", [False, "false"])
def test_unverified_address_is_refused(verified: object) -> None:
    with pytest.raises(SignInRefusedError, match="not verified"):
        to_person({**ADA, "email_verified": verified}, ClaimRules())


def test_address_without_a_word_about_it_is_accepted() -> None:
    claims = {name: value for name, value in ADA.items() if name != "email_verified"}

    assert to_person(claims, ClaimRules()).user == "Ada@example.org"


def test_other_claim_needs_no_address() -> None:
    rules = ClaimRules(user_claim="preferred_username")

    assert to_person({"preferred_username": "ada"}, rules).user == "ada"


@pytest.mark.parametrize(
    "email",
    ["ada@evil.example", "ada@example.org.evil", "ada@notexample.org", "example.org", "", None],
)
def test_other_domains_are_refused(email: str | None) -> None:
    with pytest.raises(SignInRefusedError):
        to_person({**ADA, "email": email}, OF_EXAMPLE)
    with pytest.raises(SignInRefusedError):
        to_person(
            {**ADA, "email": email},
            ClaimRules(user_claim="sub", allowed_domains=OF_EXAMPLE.allowed_domains),
        )


def test_allowed_domain_counts_in_any_case() -> None:
    assert to_person({**ADA, "email": "ada@EXAMPLE.org"}, OF_EXAMPLE).user == "ada@EXAMPLE.org"


def test_domain_of_an_unverified_address_does_not_count() -> None:
    rules = ClaimRules(user_claim="sub", allowed_domains=frozenset({"example.org"}))

    with pytest.raises(SignInRefusedError, match="not verified"):
        to_person({**ADA, "email_verified": False}, rules)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"email": None},
        {"email": 5},
        {"email": ["ada@example.org"]},
        {"email": "link"},
        {"email": "a\x00b"},
        {**ADA, "groups": ["g" * 300]},
    ],
    ids=str,
)
def test_unusable_claims_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(SignInRefusedError):
        to_person(claims, ClaimRules())


def test_name_with_hidden_characters_is_not_shown() -> None:
    assert to_person({**ADA, "name": "Ada\N{RIGHT-TO-LEFT OVERRIDE}"}, ClaimRules()).name == (
        "Ada@example.org"
    )


def test_missing_claims_are_looked_for() -> None:
    rules = ClaimRules()

    assert rules.needs_more({"email": "x", "name": "x"})
    assert not rules.needs_more({**ADA, "groups": []})
    assert not ClaimRules(user_claim="sub").needs_more({"sub": "x", "name": "x", "groups": []})
