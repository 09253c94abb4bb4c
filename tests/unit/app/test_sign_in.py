"""A way to sign in that is configured only in part ends the program at its start."""

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ringback.app.sign_in import build_sign_in_ways, session_rules
from ringback.domain.errors import ConfigurationError
from ringback.gateway.identity.oidc import OidcProvider
from ringback.settings import load_settings
from ringback.testing import ManualClock

OIDC = {
    "RINGBACK_OIDC_ISSUER": "https://id.example/realms/acme",
    "RINGBACK_OIDC_CLIENT_ID": "ringback",
    "RINGBACK_OIDC_CLIENT_SECRET": "a secret",
}
Set = Callable[[dict[str, str]], None]
PROXY = {"RINGBACK_PROXY_USER_HEADER": "X-User", "RINGBACK_TRUSTED_PROXIES": "10.0.0.1, fd00::/64"}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """A function that sets environment variables."""

    def set_variables(values: dict[str, str]) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_variables


def test_without_settings_only_one_time_urls_work() -> None:
    ways = build_sign_in_ways(load_settings(), ManualClock())
    rules = session_rules(load_settings())

    assert (ways.provider, ways.proxy) == (None, None)
    assert (rules.lifetime, rules.idle) == (timedelta(hours=12), timedelta(hours=4))


def test_complete_settings_are_used(variables: Set) -> None:
    variables({
        **OIDC,
        **PROXY,
        "RINGBACK_PUBLIC_URL": "https://ring.example/x/",
        "RINGBACK_OIDC_ALLOWED_DOMAINS": "Example.org, @example.com",
        "RINGBACK_PROXY_GROUPS_HEADER": "X-Groups",
        "RINGBACK_ADMINS": "user:ada",
        "RINGBACK_SESSION_LIFETIME": "7d",
        "RINGBACK_SESSION_IDLE": "PT1H",
    })

    ways = build_sign_in_ways(load_settings(), ManualClock())
    rules = session_rules(load_settings())

    assert isinstance(ways.provider, OidcProvider)
    config = ways.provider.config
    assert (config.issuer, config.client_secret) == (OIDC["RINGBACK_OIDC_ISSUER"], "a secret")
    assert config.redirect_uri == "https://ring.example/x/sign-in/oidc"
    assert config.rules.allowed_domains == {"example.org", "example.com"}
    assert "a secret" not in repr(config)
    assert ways.proxy is not None
    assert (ways.proxy.user, ways.proxy.groups, len(ways.proxy.networks)) == (
        "X-User",
        "X-Groups",
        2,
    )
    assert ways.cookies.session == "__Host-ringback"
    assert rules.admins.names == {"user:ada"}
    assert (rules.lifetime, rules.idle) == (timedelta(days=7), timedelta(hours=1))


@pytest.mark.parametrize("missing", list(OIDC))
def test_missing_part_of_a_provider_is_named(variables: Set, missing: str) -> None:
    variables({name: value for name, value in OIDC.items() if name != missing})

    with pytest.raises(ConfigurationError, match=missing):
        build_sign_in_ways(load_settings(), ManualClock())


@pytest.mark.parametrize("missing", list(PROXY))
def test_missing_part_of_a_proxy_is_named(variables: Set, missing: str) -> None:
    variables({name: value for name, value in PROXY.items() if name != missing})

    with pytest.raises(ConfigurationError, match=missing):
        build_sign_in_ways(load_settings(), ManualClock())


@pytest.mark.parametrize("name", ["RINGBACK_PROXY_GROUPS_HEADER", "RINGBACK_PROXY_NAME_HEADER"])
def test_other_headers_alone_are_refused(variables: Set, name: str) -> None:
    variables({name: "X-Other"})

    with pytest.raises(ConfigurationError, match="RINGBACK_PROXY_USER_HEADER"):
        build_sign_in_ways(load_settings(), ManualClock())


def test_client_secret_comes_from_a_file(variables: Set, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("from a file\n")
    path.chmod(0o600)
    settings = {**OIDC, "RINGBACK_OIDC_CLIENT_SECRET_FILE": str(path)}
    del settings["RINGBACK_OIDC_CLIENT_SECRET"]
    variables(settings)

    ways = build_sign_in_ways(load_settings(), ManualClock())

    assert isinstance(ways.provider, OidcProvider)
    assert ways.provider.config.client_secret == "from a file"  # noqa: S105 - a test's


@pytest.mark.parametrize("text", ["", "one\ntwo\n"])
def test_file_without_one_secret_is_refused(variables: Set, tmp_path: Path, text: str) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    variables({"RINGBACK_OIDC_CLIENT_SECRET_FILE": str(path)})

    with pytest.raises(ConfigurationError, match="must contain one line"):
        build_sign_in_ways(load_settings(), ManualClock())


def test_two_client_secrets_are_refused(variables: Set) -> None:
    variables({**OIDC, "RINGBACK_OIDC_CLIENT_SECRET_FILE": "secret"})

    with pytest.raises(ConfigurationError, match="not both"):
        build_sign_in_ways(load_settings(), ManualClock())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RINGBACK_OIDC_ISSUER", "http://id.example"),
        ("RINGBACK_OIDC_ISSUER", "id.example"),
        ("RINGBACK_OIDC_ISSUER", "https://"),
        ("RINGBACK_OIDC_ISSUER", "https://user:secret@id.example"),
        ("RINGBACK_OIDC_ISSUER", "https://id.example?tenant=1"),
        ("RINGBACK_OIDC_SCOPES", "email profile"),
        ("RINGBACK_OIDC_SCOPES", 'openid "x"'),
        ("RINGBACK_OIDC_USER_CLAIM", ""),
        ("RINGBACK_ADMINS", "ada"),
        ("RINGBACK_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("RINGBACK_TRUSTED_PROXIES", "proxy.example"),
        ("RINGBACK_PROXY_USER_HEADER", "X User"),
        ("RINGBACK_PROXY_USER_HEADER", "X_User"),
        ("RINGBACK_SESSION_LIFETIME", "0s"),
        ("RINGBACK_SESSION_IDLE", "soon"),
    ],
)
def test_unusable_value_is_named(variables: Set, name: str, value: str) -> None:
    variables({name: value})

    with pytest.raises(ConfigurationError, match=name):
        load_settings()


def test_issuer_on_this_machine_may_use_http(variables: Set) -> None:
    variables({"RINGBACK_OIDC_ISSUER": "http://127.0.0.1:9000"})

    assert load_settings().oidc_issuer == "http://127.0.0.1:9000"


def test_plain_http_on_a_network_is_reported(
    variables: Set, caplog: pytest.LogCaptureFixture
) -> None:
    variables({**PROXY, "RINGBACK_PUBLIC_URL": "http://ring.example"})

    with caplog.at_level(logging.WARNING):
        build_sign_in_ways(load_settings(), ManualClock())

    assert "plain http" in caplog.text
