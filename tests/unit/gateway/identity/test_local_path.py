"""After signing in, a browser never leaves this gateway."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringback.gateway.identity.login import to_local_path

HERE = "https://ring.example/sign-in/oidc"


@pytest.mark.parametrize(
    "path",
    [
        "/inbox",
        "/inbox/cb_1?tab=history",
        "/c/k1.abc-_.def",
        "/",
        "/a%20b?x=1&y=%2F%2Fevil",
        "/sign-in/done",
    ],
)
def test_path_of_this_gateway_is_kept(path: str) -> None:
    assert to_local_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "inbox",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "https:evil.example",
        "https://evil.example",
        "HTTPS://evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "/inbox\r\nset-cookie: a=b",
        "/inb\u00f6x",
        "/a\\b",
        "/sign-in",
        "/sign-in?next=/sign-in",
        "/sign-in/once/x",
        "/sign-in/oidc?code=1",
        "/" + "a" * 2001,
    ],
)
def test_anything_else_leads_to_the_inbox(text: str | None) -> None:
    assert to_local_path(text) == "/inbox"


@given(st.text(alphabet="/\\.:@?#%&;=\t\n\r \x00ahtpsevil0-", max_size=30) | st.text())
@example("/.//evil.example")
@example("/@evil.example")
@example("/;//evil.example")
def test_result_never_names_another_site(text: str) -> None:
    path = to_local_path(text)

    # Browsers read a backslash as a slash, and ignore tabs and line ends.
    as_browsers_read = path.replace("\\", "/").translate({9: None, 10: None, 13: None})
    assert as_browsers_read == path
    assert urlsplit(urljoin(HERE, path)).netloc == "ring.example"
    assert path.isascii()
    assert path.isprintable()
