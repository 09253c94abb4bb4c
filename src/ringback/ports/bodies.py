"""The encryption of stored bodies."""

from typing import Protocol

from ringback.domain.terms import Terms


class BodyCipher(Protocol):
    """Encrypts bodies before they are stored, and decrypts stored ones.

    Every method runs user code under a time limit. Call none inside a transaction.
    """

    async def encrypt(self, terms: Terms, body: bytes) -> bytes:
        """Return the encrypted content of `body`, which is JSON.

        It may differ each time.

        Raises:
            EncodingError: The user's codec failed, hangs, or does not encrypt.
        """
        ...

    async def decrypt(self, terms: Terms, content: bytes) -> bytes:
        """Return the body of which `encrypt` returned `content`.

        Raises:
            EncodingError: The user's codec failed or hangs, or there is none.
        """
        ...
