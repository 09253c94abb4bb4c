"""A `BodyCipher` for tests of the core."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from ringback.core.body_encryption import BodyEncryption
from ringback.domain.errors import EncodingError
from ringback.domain.link import Keyring
from ringback.domain.terms import Terms
from tests import factories


def _numbers() -> Callable[[], int]:
    return count().__next__


@dataclass
class FakeCipher:
    """Reverses bodies, and adds a number that is new each time, as a nonce is.

    Attributes:
        is_broken: If true, every call fails.
        decrypted: The number of calls that decrypted.
    """

    is_broken: bool = False
    decrypted: int = 0
    _number: Callable[[], int] = field(default_factory=_numbers)

    async def encrypt(self, terms: Terms, body: bytes) -> bytes:
        self._check()
        return f"{self._number()} {terms.workflow_id} ".encode() + body[::-1]

    async def decrypt(self, terms: Terms, content: bytes) -> bytes:
        self._check()
        self.decrypted += 1
        _, workflow_id, body = content.split(b" ", 2)
        assert workflow_id.decode() == terms.workflow_id, "it has the context of its encryption"
        return body[::-1]

    def _check(self) -> None:
        if self.is_broken:
            msg = "the key service is away"
            raise EncodingError(msg)


def encryption(
    cipher: FakeCipher, keyring: Keyring | None = None, *, is_on: bool = True
) -> BodyEncryption:
    return BodyEncryption(cipher, keyring or factories.keyring(), is_on=is_on)
