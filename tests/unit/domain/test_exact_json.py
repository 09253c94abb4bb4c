"""Numbers that a float cannot hold are found, and no others."""

import pytest

from ringback.domain.exact_json import has_infinite_number


@pytest.mark.parametrize(
    "body",
    [
        b"1e400",
        b"-1e400",
        b"1E+309",
        b"1e0400",
        b'{"a": [1, {"b": 2e308}]}',
        b"1" + b"0" * 400 + b".0",
        b"0." + b"0" * 300 + b"1e700",
    ],
)
def test_number_beyond_a_float_is_found(body: bytes) -> None:
    assert has_infinite_number(body)


@pytest.mark.parametrize(
    "body",
    [
        b"1e308",
        b"1.7976931348623157e308",
        b"1e-400",
        b'"1e400"',
        b'{"1e400": "9e999"}',
        b"1" * 400,
        b"0e999",
        b"0." + b"0" * 400 + b"1",
        b"null",
    ],
)
def test_any_other_number_is_not_found(body: bytes) -> None:
    assert not has_infinite_number(body)
