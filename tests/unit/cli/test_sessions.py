"""Operators create sign-in URLs, and list and revoke sessions."""

import httpx2
import pytest

from ringback.domain.person import ProofSource, new_person
from tests.fake_edges import BASE
from tests.unit.cli.commands import Served, ringback

ADA = new_person("ada@example.org", groups=["finance"], proof_source=ProofSource.OIDC)


def signed_in(gateway: Served) -> str:
    """Sign Ada in; return the id of the session."""
    sessions = gateway.house.app.state.gateway.sessions
    made = gateway.do(sessions.sign_in(ADA, user_agent="a browser"))
    return str(made.session.id)


def test_sign_in_url_leads_to_the_page_with_the_button(gateway: Served) -> None:
    ran = ringback(
        "sign-in-url",
        *("--user", "ada@example.org", "--name", "Ada Lovelace"),
        *("--group", "finance", "--group", "ops", "--admin", "--for", "10m"),
    )

    assert (ran.code, ran.err) == (0, "")
    path = ran.out.strip().removeprefix(BASE)
    page = httpx2.get(gateway.url + path)
    assert "Sign in as <bdi>ada@example.org</bdi>" in page.text
    assert "Ada Lovelace" in page.text


def test_sign_in_url_is_for_the_os_user_by_default(
    gateway: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "grace")

    ran = ringback("sign-in-url", "--json")

    assert ran.json["user"] == "grace"
    assert ran.json["url"].startswith(f"{BASE}/sign-in/once/")
    assert gateway.do(gateway.house.store.list_sessions(user=None, limit=1)) == []


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    "words",
    [["--user", "link"], ["--user", "a", "--group", ""], ["--user", "a", "--for", "20000d"]],
)
def test_unusable_person_is_refused(words: list[str]) -> None:
    ran = ringback("sign-in-url", *words)

    assert ran.code in {1, 2}
    assert ran.out == ""


def test_sessions_are_listed(gateway: Served) -> None:
    session_id = signed_in(gateway)

    ran = ringback("sessions", "list", "--json")
    table = ringback("sessions", "list", "--user", "ADA@example.org")
    of_eve = ringback("sessions", "list", "--user", "eve")

    assert [one["id"] for one in ran.json] == [session_id]
    assert ran.json[0]["groups"] == ["finance"]
    assert table.out.splitlines()[1].startswith(f"{session_id}\tada@example.org\tOpenID Connect")
    assert of_eve.out == "nobody is signed in\n"


def test_session_is_revoked_by_its_id(gateway: Served) -> None:
    session_id = signed_in(gateway)

    ran = ringback("sessions", "revoke", session_id)
    again = ringback("sessions", "revoke", session_id, "--json")

    assert ran.out == f"{session_id} is revoked\n"
    assert again.json["revoked_at"] is not None
    assert ringback("sessions", "list").out == "nobody is signed in\n"


def test_all_sessions_of_a_user_are_revoked(gateway: Served) -> None:
    signed_in(gateway)
    signed_in(gateway)

    ran = ringback("sessions", "revoke", "--user", "Ada@example.org")

    assert ran.out == "2 sessions are revoked\n"
    assert ringback("sessions", "revoke", "--user", "ada@example.org", "--json").json == {
        "revoked": 0
    }


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("words", [[], ["se_x", "--user", "ada"]])
def test_revoking_needs_an_id_or_a_user(words: list[str]) -> None:
    assert ringback("sessions", "revoke", *words).code == 2


@pytest.mark.usefixtures("gateway")
def test_revoking_unknown_session_is_refused() -> None:
    ran = ringback("sessions", "revoke", "se_x")

    assert ran.code == 1
    assert "ringback sessions list" in ran.err
