"""Parameters are read exactly, or refused in a message that does not quote them."""

import base64
import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from ringback.cli.params import read_token, to_details, to_duration, to_json, to_token

FORMS: Final[dict[str, Callable[[bytes], str]]] = {
    "hex": lambda token: token.hex(),
    "upper hex": lambda token: token.hex().upper(),
    "base64": lambda token: base64.b64encode(token).decode(),
    "wrapped base64": lambda token: base64.encodebytes(token).decode(),
    "unpadded base64": lambda token: base64.b64encode(token).decode().rstrip("="),
    "urlsafe base64": lambda token: base64.urlsafe_b64encode(token).decode(),
    "unpadded urlsafe": lambda token: base64.urlsafe_b64encode(token).decode().rstrip("="),
}

#: How every token begins: its first field, of 36 bytes, is the namespace's id.
HEAD = b"\n$"


@pytest.mark.parametrize("form", FORMS)
@given(rest=st.binary(max_size=300))
def test_token_is_read_from_every_encoding(form: str, rest: bytes) -> None:
    assert to_token(FORMS[form](HEAD + rest)) == HEAD + rest


@given(token=st.binary(min_size=1, max_size=300))
def test_any_bytes_are_read_from_hexadecimal(token: bytes) -> None:
    assert to_token(token.hex()) == token


def test_text_that_can_be_hexadecimal_is_read_as_such() -> None:
    assert to_token("deadbeef") == b"\xde\xad\xbe\xef"


@given(text=st.text())
def test_any_text_is_a_token_or_refused(text: str) -> None:
    with contextlib.suppress(typer.BadParameter):
        assert to_token(text)


@pytest.mark.parametrize("text", ["", "  ", "A", "AAAAA", "no token!", "CiQ!", "€", "=="])
def test_invalid_token_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="neither hexadecimal nor base64"):
        to_token(text)


def test_token_file_may_end_with_a_line_break(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0a24\n")

    assert read_token(None, file) == b"\n$"


def test_token_and_token_file_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="not both"):
        read_token("0a24", tmp_path / "token")


def test_binary_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"\n$\xff\x00")

    with pytest.raises(typer.BadParameter, match="neither hexadecimal nor base64"):
        read_token(None, file)


@given(value=st.recursive(st.none() | st.booleans() | st.text() | st.integers(), st.lists))
def test_json_is_sent_byte_for_byte(value: object) -> None:
    text = json.dumps(value)

    assert to_json(f" {text}\n") == text.encode()


@pytest.mark.parametrize("text", ["1.10", "12345678901234567890123", '{"a" :  1e2}'])
def test_numbers_and_spaces_in_json_are_unchanged(text: str) -> None:
    assert to_json(text) == text.encode()


@pytest.mark.parametrize(
    "text", ["", "yes", "{", "NaN", "[1,]", "'a'", '"secret', "\udcff", "@/no/such/secret/\0"]
)
def test_invalid_json_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(typer.BadParameter) as refusal:
        to_json(text)

    assert text.startswith("@") or "secret" not in str(refusal.value)


def test_json_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_bytes(b'\n{"total": 1.10}\n')

    assert to_json(f"@{file}") == b'{"total": 1.10}'


def test_endless_file_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="longer than 4194304 bytes"):
        to_json("@/dev/zero")


def test_missing_file_is_named() -> None:
    with pytest.raises(typer.BadParameter, match="'/no/such/file' cannot be read: No such file"):
        to_json("@/no/such/file")


@pytest.mark.parametrize(
    ("source", "details"),
    [(None, None), ('"one"', b'["one"]'), ("[1, 2]", b"[1, 2]"), ('{"a": 1}', b'[{"a": 1}]')],
)
def test_list_is_several_details_and_other_json_is_one(
    source: str | None, details: bytes | None
) -> None:
    assert to_details(source) == details


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90m", timedelta(minutes=90)),
        ("1h30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ],
)
def test_duration_is_read(text: str, duration: timedelta) -> None:
    assert to_duration(text) == duration


@pytest.mark.parametrize("text", ["", "0s", "1", "-1h", "1m1h", "4000d", "1.5h", "9" * 5000 + "d"])
def test_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        to_duration(text)
