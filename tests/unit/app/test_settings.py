"""Settings come from the environment, then from a file, and are checked."""

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr

from ringback.domain.errors import ConfigurationError
from ringback.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ringback.toml").write_text('body_limit = 5\npublic_url = "https://a.example/x/"\n')
    monkeypatch.setenv("RINGBACK_BODY_LIMIT", "7")

    settings = load_settings()

    assert settings.body_limit == 7
    assert settings.base_url == "https://a.example/x"


def test_store_is_a_file_in_the_data_folder_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))
    without = load_settings().database_path
    monkeypatch.setenv("RINGBACK_STORE", "sqlite:////var/x.db")

    assert without == tmp_path / "ringback.db"
    assert load_settings().database_path == Path("/var/x.db")
    assert load_settings().postgresql_url is None


def test_home_is_expanded_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RINGBACK_DATA", "~/data")
    monkeypatch.setenv("RINGBACK_KEYS_FILE", "~/keys")
    in_data = load_settings()
    monkeypatch.setenv("RINGBACK_STORE", "sqlite:///~/x.db")

    assert in_data.database_path == tmp_path / "data" / "ringback.db"
    assert in_data.keys_file == tmp_path / "keys"
    assert load_settings().database_path == tmp_path / "x.db"


def test_relative_path_is_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_data = Settings(data=Path("data"), keys_file=Path("keys"))
    in_store = Settings(store=SecretStr("sqlite:///x.db"))
    monkeypatch.chdir("/")

    assert in_data.database_path == tmp_path / "data" / "ringback.db"
    assert in_data.keys_file == tmp_path / "keys"
    assert in_store.database_path == tmp_path / "x.db"


@pytest.mark.parametrize(
    "address",
    [
        "//user:p%40w@db.example:5432/ringback",
        "//user@db.example/ringback",
        "//user:pw@[::1]:5432/ringback?sslmode=require&target_session_attrs=read-write",
        "//user:pw@one:5432,two:5433/ringback",
        "///ringback?host=/run/postgresql",
    ],
)
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg"])
def test_store_may_be_a_postgresql_database(
    monkeypatch: pytest.MonkeyPatch, scheme: str, address: str
) -> None:
    monkeypatch.setenv("RINGBACK_STORE", f"{scheme}:{address}")

    url = load_settings().postgresql_url

    assert url is not None
    assert url.get_secret_value() == f"postgresql:{address}"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://user:geheim@host/x",
        "postgresql://user:ge/heim@host/x",
        "postgresql://user:ge#heim@host/x",
        "postgresql://user:ge?heim@host/x",
        "postgresql://user:geheim@host:port/x",
        "mysql://user:geheim@host/x",
    ],
)
def test_password_of_the_store_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("RINGBACK_STORE", address)
    try:
        settings = load_settings()
        told = f"{settings!r} {settings} {settings.postgresql_url!r} {settings.model_dump()}"
    except ConfigurationError as exc:
        told = "".join(traceback.format_exception(exc))

    assert "heim" not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RINGBACK_STORE", "mysql://x"),
        ("RINGBACK_STORE", "sqlite:///"),
        ("RINGBACK_STORE", "postgresql://user:pw@host:port/x"),
        ("RINGBACK_STORE", "postgresql+psycopg://user:pw@host/x"),
        ("RINGBACK_PUBLIC_URL", "ftp://x"),
        ("RINGBACK_PUBLIC_URL", "https://a.example/x?y=1"),
        ("RINGBACK_PUBLIC_URL", "https://a.example/x?"),
        ("RINGBACK_PUBLIC_URL", "https://a.example/#top"),
        ("RINGBACK_PUBLIC_URL", "https://user@a.example"),
        ("RINGBACK_PUBLIC_URL", "https://user:geheim@a.example"),
        ("RINGBACK_PUBLIC_URL", "http://0.0.0.0:8000"),
        ("RINGBACK_PUBLIC_URL", "http://[::]:8000"),
        ("RINGBACK_PUBLIC_URL", "http://a.example:0"),
        ("RINGBACK_BODY_LIMIT", "0"),
        ("RINGBACK_KEEP_ALIVE", "0"),
    ],
)
def test_invalid_setting_is_refused_with_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match=name) as caught:
        load_settings()
    assert "geheim" not in str(caught.value)


def test_idle_connections_outlast_those_of_common_proxies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_settings().keep_alive == 75

    monkeypatch.setenv("RINGBACK_KEEP_ALIVE", "620")
    assert load_settings().keep_alive == 620


def test_without_public_url_a_gateway_uses_the_address_it_listens_on() -> None:
    settings = load_settings()

    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.served_at("http://[::1]:9000").base_url == "http://[::1]:9000"


def test_public_url_that_is_set_is_used_whatever_the_gateway_listens_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RINGBACK_PUBLIC_URL", "https://a.example/x")

    assert load_settings().served_at("http://127.0.0.1:9000").base_url == "https://a.example/x"


def test_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ringback.toml").write_text("body_limits = 5\n")

    with pytest.raises(ConfigurationError, match="a setting; did you mean 'body_limit'") as caught:
        load_settings()
    assert str(caught.value).startswith("ringback.toml: 'body_limits'")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_settings_file_that_is_not_utf_8_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "ringback.toml").write_text('keys = "é:geheim"\n', encoding)

    with pytest.raises(ConfigurationError, match="save it as UTF-8") as caught:
        load_settings()
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


def test_settings_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ringback.toml").mkdir()

    assert load_settings().body_limit > 0


def test_misspelled_variable_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RINGBACK_DATTA", "/somewhere")
    for name in ("RINGBACK_PORT", "RINGBACK_SERVICE_HOST", "RINGBACK_DEMO_SERVICE_URL"):
        monkeypatch.setenv(name, "x")

    load_settings()

    (record,) = caplog.records
    assert record.getMessage() == (
        "unknown setting: RINGBACK_DATTA has no effect; did you mean RINGBACK_DATA?"
    )


def test_path_must_be_set_without_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_DATA", "~nobody-of-this-name/data")

    with pytest.raises(ConfigurationError, match="set an absolute path"):
        load_settings()


def test_unreadable_settings_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ringback.toml").write_text("body_limit = \n")

    with pytest.raises(ConfigurationError, match=r"ringback\.toml cannot be read"):
        load_settings()
