"""Addresses to listen on, and their URLs."""

import pytest

from ringback.app.web import bound_socket, listens_everywhere, local_url, url_of
from ringback.domain.errors import ConfigurationError
from ringback.settings import Settings

EVERYWHERE = "0.0.0.0"  # noqa: S104 - listens for the moment of a test


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9000"),
        ("gateway.example", "http://gateway.example:9000"),
        ("::1", "http://[::1]:9000"),
        ("2001:db8::5", "http://[2001:db8::5]:9000"),
        ("fe80::1%eth0", "http://[fe80::1]:9000"),
        (EVERYWHERE, "http://127.0.0.1:9000"),
        ("", "http://127.0.0.1:9000"),
        ("::", "http://[::1]:9000"),
        ("0:0:0:0:0:0:0:0", "http://[::1]:9000"),
    ],
)
def test_local_url_has_the_address_that_the_server_listens_on(host: str, url: str) -> None:
    assert local_url(host, 9000) == url
    assert Settings().served_at(url).base_url == url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", EVERYWHERE, "0", "", "::1", "::"])
def test_url_of_a_socket_has_its_port(host: str) -> None:
    with bound_socket(host, 0) as listening:
        port = listening.getsockname()[1]

        assert url_of(listening) in {f"http://127.0.0.1:{port}", f"http://[::1]:{port}"}


@pytest.mark.parametrize(
    ("host", "everywhere"),
    [(EVERYWHERE, True), ("::", True), ("", True), ("::1", False), ("localhost", False)],
)
def test_wildcard_address_listens_everywhere(host: str, everywhere: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert listens_everywhere(host) is everywhere


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("127.0.0.1", 99_999),
        ("127.0.0.1", -1),
        ("no..host", 0),
        ("nowhere.invalid", 0),
        ("2001:db8::5", 0),
    ],
)
def test_unusable_address_is_named(host: str, port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"port {port} on {host} cannot be used"):
        bound_socket(host, port)
