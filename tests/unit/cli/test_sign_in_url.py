"""`ringback sign-in-url` prints a URL that signs one person in."""

from tests.unit.cli.commands import Served, ringback


def test_url_is_printed_without_any_option_but_the_user(gateway: Served) -> None:
    ran = ringback("sign-in-url", "--user", "bob")

    assert (ran.code, ran.err) == (0, "")
    assert "/sign-in/once/" in ran.out
    assert gateway.url


def test_lifetime_is_an_option(gateway: Served) -> None:
    short = ringback("sign-in-url", "--user", "bob", "--for", "10m", "--json")
    long = ringback("sign-in-url", "--user", "bob", "--json")

    assert gateway.url
    assert short.json["expires_at"] < long.json["expires_at"]
