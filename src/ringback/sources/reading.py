"""Find the signatures and the timestamp in a request, as the scheme says they are written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ringback.sources.pieces import Filled, find, header_names, missing, to_bytes
from ringback.sources.scheme import (
    Bare,
    BodyField,
    Numbered,
    Pairs,
    Plain,
    Scheme,
    Tagged,
    Timestamp,
    Token,
)
from ringback.sources.verdict import Reason, RefusedError

MOST_SIGNATURES: Final = 100
"""Signatures of one request that are compared; DocuSign sends up to 100."""

_MOST_MEMBERS: Final = MOST_SIGNATURES + 10
_FIRST: Final = b"timestamp"


@dataclass(slots=True)
class Found:
    """What the request carries.

    Attributes:
        signatures: Candidates, as they are written.
        members: The other members of the list in the signature's header.
        cut: Whether there were more than `MOST_SIGNATURES`.
    """

    signatures: list[bytes] = field(default_factory=list, repr=False)
    members: dict[bytes, bytes] = field(default_factory=dict, repr=False)
    cut: bool = False


Read = Callable[[bytes, Found], None]

Match = Callable[[Filled, Found], int | None]
"""Compares what was found with what is right; returns which secret fits, or None."""


def wanted_headers(scheme: Scheme) -> frozenset[bytes]:
    """Return the headers that are read, in lowercase; each may be sent only once."""
    names = [*signature_headers(scheme), *header_names(scheme.signed), *scheme.extra_headers]
    if scheme.timestamp and scheme.timestamp.at.startswith("header:"):
        names.append(scheme.timestamp.at.removeprefix("header:"))
    return frozenset(name.lower().encode() for name in names)


def signature_headers(scheme: Scheme) -> list[str]:
    """Return the names of the headers that may hold signatures."""
    if isinstance(scheme.written, Numbered):
        return [f"{scheme.header}{number}" for number in range(1, MOST_SIGNATURES + 1)]
    return [name for name in (scheme.header, *scheme.more_headers) if name]


def compile_reader(scheme: Scheme) -> Callable[[Filled], Found]:
    """Return what finds the signatures of a request."""
    written = scheme.written
    if isinstance(written, BodyField):
        return lambda filled: _read_field(filled, written.path)
    read = _reader(scheme)
    names = [name.lower().encode() for name in signature_headers(scheme)]

    def read_headers(filled: Filled) -> Found:
        found = Found()
        present = [value for value in map(filled.headers.get, names) if value is not None]
        if not present:
            raise missing(scheme.header + ("1" if isinstance(written, Numbered) else ""))
        for value in present:
            read(value, found)
        if not found.signatures:
            msg = f"the header {scheme.header} holds no signature"
            raise RefusedError(Reason.HEADER_UNREADABLE, msg)
        return found

    return read_headers


def _reader(scheme: Scheme) -> Read:
    match scheme.written:
        case Pairs() as pairs:
            return lambda value, found: _read_pairs(value, found, (scheme.header, pairs))
        case Tagged(tag):
            return _tagged(scheme.header, tag)
        case Bare() as bare:
            return _bare(bare)
        case Plain(prefix) | Token(prefix=prefix) if prefix:
            return _prefixed(scheme.header, prefix)
        case _:
            return lambda value, found: found.signatures.append(value)


def _prefixed(header: str, prefix: str) -> Read:
    begin = prefix.encode()
    # RFC 9110: the name of an authentication scheme, such as Bearer, may have any case.
    fold = bytes.lower if header == "Authorization" else bytes

    def read(value: bytes, found: Found) -> None:
        if not fold(value).startswith(fold(begin)):
            msg = f"the header {header} does not begin with {prefix!r}"
            raise RefusedError(Reason.HEADER_UNREADABLE, msg)
        found.signatures.append(value[len(begin) :])

    return read


def _read_pairs(value: bytes, found: Found, how: tuple[str, Pairs]) -> None:
    header, written = how
    groups = [value]
    if written.groups:
        groups = _split(value, written.groups, found)
    member = written.member.encode()
    for group in groups:
        for number, pair in enumerate(_split(group, written.delimiter, found)):
            name, _, text = (pair.lstrip(b" ") if number else pair).partition(b"=")
            if name == member:
                found.signatures.append(text)
            elif found.members.setdefault(name, text) != text:
                shown = name[:20].decode("ascii", "replace")
                msg = f"the header {header} has two different values of {shown!r}"
                raise RefusedError(Reason.HEADER_UNREADABLE, msg)
        if len(found.signatures) > MOST_SIGNATURES:
            found.cut = True
            del found.signatures[MOST_SIGNATURES:]
            return


def _tagged(header: str, tag: str) -> Read:
    begin = f"{tag},".encode()

    def read(value: bytes, found: Found) -> None:
        parts = _split(value, " ", found)
        if b"," not in parts[0] or not parts[-1]:
            msg = f"the header {header} is not a list of {tag!r}, a comma and a signature"
            raise RefusedError(Reason.HEADER_UNREADABLE, msg)
        found.signatures += [one[len(begin) :] for one in parts if one.startswith(begin)]

    return read


def _bare(written: Bare) -> Read:
    def read(value: bytes, found: Found) -> None:
        parts = _split(value, written.delimiter, found)
        if written.timestamp_first:
            found.members[_FIRST] = parts.pop(0)
        found.signatures += parts

    return read


def _split(value: bytes, delimiter: str, found: Found) -> list[bytes]:
    """Split into a bounded number of parts; the rest of a longer list is not looked at."""
    parts = value.split(delimiter.encode(), _MOST_MEMBERS)
    if len(parts) > _MOST_MEMBERS:
        found.cut = True
        parts.pop()
    return parts


def _read_field(filled: Filled, path: str) -> Found:
    """Read `path`; `*` stands for every element of a list.

    Raises:
        RefusedError: There is nothing, or one of the elements lacks it.
    """
    values = [filled.json]
    for step in path.split("."):
        if step == "*":
            values = [one for value in values if isinstance(value, list) for one in value]
        else:
            values = [find(value, step) for value in values]
    texts = [value for value in values if isinstance(value, str)]
    if not texts or len(texts) < len(values):
        raise RefusedError(Reason.BODY_UNREADABLE, f"the body has no {path}")
    return Found([to_bytes(text) for text in texts])


def compile_timestamp(timestamp: Timestamp) -> Callable[[Filled, Found], bytes]:
    """Return what finds the timestamp; empty if there is none and none is required."""
    place, _, name = timestamp.at.partition(":")
    key = name.encode() if place == "member" else name.lower().encode()

    def read(filled: Filled, found: Found) -> bytes:
        if place == "header":
            value = filled.headers.get(key)
        elif place == "member":
            value = found.members.get(key)
        else:
            value = filled.field(name)
        if not value and timestamp.required:
            if place == "header":
                raise missing(name)
            msg = f"there is no timestamp {name!r} in the {_PLACES[place]}"
            raise RefusedError(Reason.TIMESTAMP_UNREADABLE, msg)
        return value or b""

    return read


_PLACES: Final = {"member": "signature's header", "body": "body"}
