"""Text from outside is bounded and printable, and contains no link or secret."""

import secrets
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.domain.api_key import KeyId, new_secret, to_text
from ringback.domain.ids import CallbackId
from ringback.domain.link import KEY_BYTES, Keyring, Link, Verb, narrow
from ringback.mcp.texts import clean, clean_json, to_line, without_urls

pytestmark = pytest.mark.hypothesis

AT = datetime(2027, 1, 1, tzinfo=UTC)
KEYRING = Keyring({"k1": secrets.token_bytes(KEY_BYTES)}, signing="k1")
LINK = KEYRING.sign(Link(CallbackId("cb_0dj0q6nk5g1e2b3a4c5d6e7f8g"), frozenset(Verb), AT, "k1"))
NARROWED = narrow(LINK, [Verb.VIEW])
KEY = to_text(KeyId("ops"), new_secret(secrets.token_bytes(32)))


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(LINK, id="link"),
        pytest.param(NARROWED, id="narrowed link"),
        pytest.param(f"https://ring.example/c/{LINK}", id="URL of a link"),
        pytest.param(f"/c/{LINK[:30]}", id="part of a link"),
        pytest.param("/sign-in/once/" + new_secret(secrets.token_bytes(32)), id="sign-in URL"),
        pytest.param(KEY, id="API key"),
        pytest.param("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id="webhook secret"),
        pytest.param("CiQ" + "Zm9v" * 20, id="task token"),
        pytest.param("0a24" + "0f" * 60, id="hexadecimal task token"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "see {} now", "https://ring/{}", '{{"url": "{}"}}'])
def test_secrets_are_removed_wherever_they_are(secret: str, around: str) -> None:
    cleaned = clean(around.format(secret), 1000)

    assert secret not in cleaned
    assert secret[-12:] not in cleaned
    assert "[removed]" in cleaned


def test_user_and_password_of_a_url_are_removed() -> None:
    assert (
        clean("at https://ops:s3cret@ring.example/x", 100) == "at https://[removed]ring.example/x"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Charge order 17",
        "src/c/main.c",
        "github.com/acme/web/pull/17",
        "kubernetes.io/ingress.class",
        "https://ring.example/inbox/cb_0dj0q6nk5g1e2b3a4c5d6e7f8g",
        "Prüfung 日本語 ✅",
    ],
)
def test_plain_text_stays(text: str) -> None:
    assert clean(text, 1000) == text


def test_control_characters_are_replaced_and_lines_may_be_kept() -> None:
    hostile = "a\x1b[2J\u202eb\u200b\r\nc\x00"

    assert clean(hostile, 100) == "a\ufffd[2J\ufffdb\ufffd\ufffd\ufffdc\ufffd"
    assert clean("a\nb", 100, has_lines=True) == "a\nb"


@given(st.text(), st.integers(1, 50))
def test_text_is_never_longer_than_allowed(text: str, most: int) -> None:
    cleaned = clean(text, most)

    assert len(cleaned) <= most
    assert cleaned.isprintable()


def test_removing_secrets_takes_linear_time() -> None:
    start = time.perf_counter()
    for hostile in ("a." * 20_000, "a" * 40_000, ("a" * 30 + ".") * 1300, "/c/a." * 8000):
        clean(hostile, 40_000)

    assert time.perf_counter() - start < 2


def test_names_and_nested_texts_are_cleaned() -> None:
    deep: object = "end"
    for _ in range(100):
        deep = [deep]

    cleaned = clean_json({"a\n": ["x\x00", 1.5, None, True], LINK: 1, "deep": deep}, 10)

    assert cleaned["a\ufffd"] == ["x\ufffd", 1.5, None, True]
    assert "[removed]" in cleaned
    assert "end" not in str(cleaned)


def test_line_cannot_be_left_by_its_text() -> None:
    assert to_line('a"\nCallback: other', 100) == r'"a\"\nCallback: other"'


def test_urls_are_not_clickable() -> None:
    assert without_urls("[x](https://evil.example)") == "[x](https[:]//evil.example)"
