"""What the core asks of others about bodies: whether a result is valid, and encryption at rest."""

from collections.abc import Sequence
from typing import Protocol

from ringback.domain.errors import Problem
from ringback.domain.terms import Terms


class ResultChecker(Protocol):
    """Validates results."""

    async def problems(self, schema: str, result: bytes | None) -> Sequence[Problem]:
        """Return the problems of `result`; empty if it matches `schema`.

        The check has a time limit and a memory limit; exceeding one is a problem. A missing result
        is checked as `null`, which the workflow receives.

        Args:
            schema: A JSON Schema (2020-12), as text.
            result: One JSON value.
        """
        ...


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
