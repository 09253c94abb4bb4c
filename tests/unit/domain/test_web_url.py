"""A URL that is accepted at opening can be sent to."""

from typing import Any

import pytest

from ringback.domain.options import check_option
from ringback.domain.web_url import LONGEST_URL, WebUrl, parse_url
from ringback.worker.options import to_options


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://a.example", WebUrl("https", "a.example", None, "/")),
        ("HTTP://A.Example:8080/x?k=v", WebUrl("http", "a.example", 8080, "/x?k=v")),
        ("http://localhost/ä?ö=%20", WebUrl("http", "localhost", None, "/%C3%A4?%C3%B6=%20")),
        ("https://münchen.example/", WebUrl("https", "xn--mnchen-3ya.example", None, "/")),
        ("https://xn--mnchen-3ya.example/", WebUrl("https", "xn--mnchen-3ya.example", None, "/")),
        ("http://my_service.internal.:65535/", WebUrl("http", "my_service.internal.", 65535, "/")),
        ("http://192.0.2.1:1", WebUrl("http", "192.0.2.1", 1, "/")),
        ("http://[2001:DB8::1]:443/", WebUrl("http", "2001:db8::1", 443, "/")),
    ],
)
def test_address_that_can_be_sent_to_is_accepted(text: str, url: WebUrl) -> None:
    assert parse_url("notify_url", text) == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ftp://a.example", "begins with"),
        ("a.example/x", "begins with"),
        ("https:///x", "begins with"),
        ("", "begins with"),
        ("https://user:secret@a.example/", "credentials"),
        ("https://@a.example/", "credentials"),
        ("https://a.example/#part", "fragment"),
        ("https://a.example/#", "fragment"),
        ("https://a.example:0/", "port"),
        ("https://a.example:/", "port"),
        ("https://a.example:65536/", "port"),
        ("https://a.example:-1/", "port"),
        ("https://a.example:https/", "port"),
        ("https://[::1", "host"),
        ("https://[a.example]/", "host"),
        ("https://[fe80::1%25eth0]/", "host"),
        ("https://256.1.1.1/", "host"),
        ("https://2130706433/", "host"),
        ("https://127.1/", "host"),
        ("https://a.0x7f/", "host"),
        ("https://a..example/", "host"),
        ("https://-a.example/", "host"),
        ("https://a!.example/", "host"),
        (f"https://{'a' * 64}.example/", "host"),
        (f"https://{'a.' * 130}example/", "host"),
        ("https://faß.example/", "xn--"),
        ("https://a.example\uff0fb/", "host"),
        ("https://a.example/x y", "space"),
        ("https://a.example\\@b/", "backslash"),
        ("https://a.example/\n", "control"),
        ("https://a.example/\ud800", "control"),
        ("https://a.example/" + "x" * LONGEST_URL, "1000 characters"),
    ],
)
def test_address_that_could_never_be_sent_to_is_rejected_without_being_repeated(
    text: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        parse_url("notify_url", text)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("name", ["cancel_url", "notify_url"])
def test_activity_that_opens_a_callback_gets_the_same_rule(name: str) -> None:
    options: dict[str, Any] = {name: "https://user:secret@a.example:99999/"}
    with pytest.raises(ValueError, match=name):
        to_options(object, **options)
    check_option(name, None)


def test_address_shows_neither_path_nor_query() -> None:
    shown = repr(parse_url("notify_url", "https://[2001:db8::1]:8443/hush?key=hush"))

    assert shown == "WebUrl(scheme='https', host='2001:db8::1', port=8443)"
