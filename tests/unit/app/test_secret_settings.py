"""Settings that are secrets come from the files that a platform mounts."""

import logging
from pathlib import Path

import pytest

from ringback.domain.errors import ConfigurationError
from ringback.setting_groups import FILE_VARIABLES
from ringback.settings import Settings, load_settings

URL = "postgresql://ringback:s3cret@db.example/ringback"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def secret_file(folder: Path, text: str) -> str:
    file = folder / "secret"
    file.write_text(text)
    file.chmod(0o440)
    return str(file)


def test_store_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_STORE_FILE", secret_file(tmp_path, f"{URL}\n"))

    store = load_settings().store

    assert store is not None
    assert store.get_secret_value() == URL


def test_variable_of_the_setting_overrides_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_STORE_FILE", secret_file(tmp_path, URL))
    monkeypatch.setenv("RINGBACK_STORE", "sqlite:////var/x.db")

    assert load_settings().postgresql_url is None


def test_file_overrides_the_toml_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ringback.toml").write_text('slack_token = "xoxb-old"\n')
    monkeypatch.setenv("RINGBACK_SLACK_TOKEN_FILE", secret_file(tmp_path, "xoxb-new"))

    token = load_settings().slack_token

    assert token is not None
    assert token.get_secret_value() == "xoxb-new"


def test_each_line_is_one_of_several_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_WEBHOOK_SECRETS_FILE", secret_file(tmp_path, "whsec_a\nwhsec_b\n"))

    secrets = load_settings().webhook_secrets

    assert secrets is not None
    assert secrets.get_secret_value() == "whsec_a,whsec_b"


@pytest.mark.parametrize("text", ["", "\n", f"{URL}\n{URL}\n"])
def test_file_without_exactly_one_secret_is_rejected_without_repeating_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("RINGBACK_STORE_FILE", secret_file(tmp_path, text))

    with pytest.raises(ConfigurationError, match=r"RINGBACK_STORE_FILE: .* one line") as raised:
        load_settings()

    assert "s3cret" not in str(raised.value)


def test_missing_file_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_STORE_FILE", str(tmp_path / "absent"))

    with pytest.raises(ConfigurationError, match="absent cannot be read"):
        load_settings()


def test_value_of_a_file_is_checked_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGBACK_STORE_FILE", secret_file(tmp_path, "mysql://db.example/x"))

    with pytest.raises(ConfigurationError, match=r"RINGBACK_STORE: .*use sqlite"):
        load_settings()


def test_variables_of_files_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RINGBACK_MAIL_URL_FILE", secret_file(tmp_path, "smtp://mail.example"))

    with caplog.at_level(logging.WARNING):
        load_settings()

    assert caplog.records == []
    assert set(FILE_VARIABLES.values()) <= set(Settings.model_fields)
