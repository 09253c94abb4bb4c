"""Only an unchanged link is valid."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.domain.errors import ConfigurationError, UnknownCallbackError
from ringback.domain.ids import CallbackId
from ringback.domain.link import ALL_VERBS, Keyring, Link, Verb, narrow
from tests import factories
from tests.factories import NOW

verb_sets = st.frozensets(st.sampled_from(list(Verb)), min_size=1)


@given(verbs=verb_sets, seconds=st.integers(1, 10**9))
def test_verified_link_equals_the_signed_one(verbs: frozenset[Verb], seconds: int) -> None:
    link = factories.link(verbs=verbs, expires_at=NOW + timedelta(seconds=seconds))
    keyring = factories.keyring()

    verified = keyring.verify(keyring.sign(link), verb=next(iter(verbs)), now=NOW)

    assert verified == link


@given(data=st.data())
def test_edited_link_is_unknown(data: st.DataObject) -> None:
    keyring = factories.keyring()
    text = keyring.sign(factories.link())
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[at]))

    with pytest.raises(UnknownCallbackError):
        keyring.verify(text[:at] + other + text[at + 1 :], verb=Verb.VIEW, now=NOW)


@given(text=st.text())
def test_verify_of_arbitrary_text_raises_nothing_else(text: str) -> None:
    with pytest.raises(UnknownCallbackError):
        factories.keyring().verify(text, verb=Verb.VIEW, now=NOW)


@given(text=st.text(max_size=60))
def test_verify_of_arbitrary_signed_text_raises_nothing_else(text: str) -> None:
    """Even the holder of a key cannot make `verify` raise another error."""
    with suppress(UnknownCallbackError):
        factories.keyring().verify(forged(text), verb=Verb.VIEW, now=NOW)


def test_link_of_another_version_is_unknown() -> None:
    packed = bytes([9]) + bytes(6) + b"cb_1"

    with pytest.raises(UnknownCallbackError):
        factories.keyring().verify(forged(to_base64(packed)), verb=Verb.VIEW, now=NOW)


def forged(text: str) -> str:
    """Return a link with any content, by a forger with the key."""
    body = f"k1.{text}"
    signature = factories.keyring()._signature("k1", body)  # noqa: SLF001 - a forger with the key
    return f"{body}.{to_base64(signature)}"


def to_base64(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")


@pytest.mark.parametrize("verb", list(Verb), ids=lambda verb: verb.name)
def test_link_allows_only_its_verbs(verb: Verb) -> None:
    keyring = factories.keyring()
    text = keyring.sign(factories.link(verbs=ALL_VERBS - {verb}))

    with pytest.raises(UnknownCallbackError):
        keyring.verify(text, verb=verb, now=NOW)


def test_link_expires_to_the_second() -> None:
    keyring = factories.keyring()
    expires_at = NOW + timedelta(hours=1)
    text = keyring.sign(factories.link(expires_at=expires_at))

    assert keyring.verify(text, verb=Verb.VIEW, now=expires_at - timedelta(seconds=1))
    with pytest.raises(UnknownCallbackError):
        keyring.verify(text, verb=Verb.VIEW, now=expires_at)


def test_link_of_an_older_key_is_valid_while_the_keyring_has_that_key() -> None:
    text = factories.keyring("k1").sign(factories.link())

    rotated = factories.keyring("k2", "k1", signing="k2")
    dropped = factories.keyring("k2", signing="k2")

    assert rotated.verify(text, verb=Verb.VIEW, now=NOW).key_id == "k1"
    with pytest.raises(UnknownCallbackError):
        dropped.verify(text, verb=Verb.VIEW, now=NOW)


def test_callback_keeps_its_link_when_the_signing_key_changes() -> None:
    link = factories.link(key_id="k1")

    before = factories.keyring("k1").sign(link)
    after = factories.keyring("k2", "k1", signing="k2").sign(link)

    assert before == after


def test_key_is_valid_only_under_its_own_id() -> None:
    """The same secret under another id is another key."""
    secret = bytes(32)
    text = Keyring({"a": secret}, signing="a").sign(factories.link(key_id="a"))

    with pytest.raises(UnknownCallbackError):
        Keyring({"b": secret}, signing="b").verify("b" + text[1:], verb=Verb.VIEW, now=NOW)


def test_placeholder_for_unknown_keys_signs_nothing() -> None:
    stand_in = Keyring({"x": bytes(32)}, signing="x")
    text = stand_in.sign(factories.link(key_id="x"))

    with pytest.raises(UnknownCallbackError):
        factories.keyring("k1").verify(text, verb=Verb.VIEW, now=NOW)


def test_link_contains_only_its_documented_fields() -> None:
    link = Link(CallbackId("cb_1"), ALL_VERBS, NOW, "k1")

    assert len(factories.keyring().sign(link)) < 60


@pytest.mark.parametrize(
    ("keys", "signing", "problem"),
    [
        ({"k1": bytes(31)}, "k1", "32 random bytes"),
        ({"k.1": bytes(32)}, "k.1", "letters and digits"),
        ({"k1": bytes(32)}, "k2", "no key 'k2'"),
    ],
)
def test_keyring_that_cannot_sign_is_rejected(
    keys: dict[str, bytes], signing: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Keyring(keys, signing=signing)


@given(verbs=verb_sets, kept=verb_sets)
def test_narrowed_link_allows_what_both_allow(
    verbs: frozenset[Verb], kept: frozenset[Verb]
) -> None:
    keyring = factories.keyring()
    text = narrow(keyring.sign(factories.link(verbs=verbs)), kept)

    for verb in Verb:
        if verb in verbs & kept:
            assert keyring.verify(text, verb=verb, now=NOW).verbs == verbs & kept
        else:
            with pytest.raises(UnknownCallbackError):
                keyring.verify(text, verb=verb, now=NOW)


def test_url_is_narrowed_like_its_link() -> None:
    keyring = factories.keyring()
    link = factories.link()

    url = narrow(keyring.url("https://ring.example/prefix", link), [Verb.VIEW])

    assert url == f"https://ring.example/prefix/c/{narrow(keyring.sign(link), [Verb.VIEW])}"


def test_narrowing_again_never_widens() -> None:
    keyring = factories.keyring()
    text = narrow(narrow(keyring.sign(factories.link()), [Verb.VIEW]), ALL_VERBS)

    assert keyring.verify(text, verb=Verb.VIEW, now=NOW).verbs == {Verb.VIEW}


@given(data=st.data())
def test_edited_narrowed_link_is_unknown(data: st.DataObject) -> None:
    keyring = factories.keyring()
    text = narrow(keyring.sign(factories.link()), [Verb.VIEW, Verb.HEARTBEAT])
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[at]))

    with pytest.raises(UnknownCallbackError):
        keyring.verify(text[:at] + other + text[at + 1 :], verb=Verb.VIEW, now=NOW)


def test_narrowing_cannot_be_removed() -> None:
    keyring = factories.keyring()
    whole = keyring.sign(factories.link())
    key_id, packed, narrowing, signature = narrow(whole, [Verb.VIEW]).split(".")

    assert whole.rpartition(".")[2] not in {narrowing, signature}
    for cut in (f"{key_id}.{packed}.{signature}", f"{key_id}.{packed}.{narrowing}"):
        with pytest.raises(UnknownCallbackError):
            keyring.verify(cut, verb=Verb.VIEW, now=NOW)


@pytest.mark.parametrize("text", ["", "nothing", "https://ring.example/c/k1.x"])
def test_narrowing_rejects_text_that_is_not_a_link(text: str) -> None:
    with pytest.raises(ValueError, match="not a link"):
        narrow(text, [Verb.VIEW])


@pytest.mark.parametrize("narrowing", ["", "!!", "AAAA", "\u00e9", "A"])
def test_signed_empty_narrowing_is_unknown(narrowing: str) -> None:
    """Even the holder of a link cannot make `verify` raise another error."""
    keyring = factories.keyring()
    head, _, signature = keyring.sign(factories.link()).rpartition(".")
    signed = hmac.digest(
        urlsafe_b64decode(signature + "=="), narrowing.encode("utf-8", "replace"), "sha256"
    )
    text = f"{head}.{narrowing}.{urlsafe_b64encode(signed[:16]).decode().rstrip('=')}"

    with pytest.raises(UnknownCallbackError):
        keyring.verify(text, verb=Verb.VIEW, now=NOW)
