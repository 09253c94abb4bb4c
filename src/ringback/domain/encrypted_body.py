"""The stored form of an encrypted body.

It has a seal, which recognizes the same body again without its key, and what the codec made of the
body. It is not JSON, so it is never confused with a body in plain text.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from typing import Final

_ENCRYPTED: Final = b"encrypted "
"""No JSON begins so. It is text, like all of the stored form: stores pass bodies on as text."""


@dataclass(frozen=True, slots=True)
class EncryptedBody:
    """An encrypted body, perhaps as a part of other JSON.

    Attributes:
        seal: A keyed digest of the body's value; empty if nothing is ever compared with it.
        content: What the codec made of the body.
        before: JSON in plain text before the body.
        after: JSON in plain text after the body.
    """

    seal: str = field(repr=False)
    content: bytes = field(repr=False)
    before: bytes = field(default=b"", repr=False)
    after: bytes = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """Return the stored form."""
        header = f"{self.seal} {len(self.before)} {len(self.after)}\n".encode()
        return b"".join([_ENCRYPTED, header, self.before, self.after, b64encode(self.content)])

    def to_plain(self, body: bytes) -> bytes:
        """Return the whole JSON, with the decrypted `body`."""
        return b"".join([self.before, body, self.after])


def is_encrypted(body: bytes) -> bool:
    """Return whether a stored body is what `EncryptedBody.to_bytes` returned."""
    return body.startswith(_ENCRYPTED)


def read_encrypted(body: bytes) -> EncryptedBody:
    """Return the parts of a stored body for which `is_encrypted` is true.

    Raises:
        ValueError: They are damaged.
    """
    header, _, rest = body.removeprefix(_ENCRYPTED).partition(b"\n")
    seal, before, after = header.decode("ascii").split(" ")
    begin = int(before)
    end = begin + int(after)
    content = b64decode(rest[end:], validate=True)
    return EncryptedBody(seal, content, rest[:begin], rest[begin:end])


def surround(body: bytes, before: bytes, after: bytes) -> bytes:
    """Return JSON that has a stored body between `before` and `after`, as it is stored.

    If the body is encrypted, it stays so, and has no seal: that is not one of the whole.
    """
    if not is_encrypted(body):
        return b"".join([before, body, after])
    inner = read_encrypted(body)
    whole = replace(inner, seal="", before=before + inner.before, after=inner.after + after)
    return whole.to_bytes()
