"""API keys in the store; what `ringback.ports.store` says of its methods holds here too."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ringback.domain.api_key import ApiKey, KeyId, Role


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is to be kept.

    Attributes:
        id: Names it; no other key has it.
        name: What it is for.
        role: What its holder may do.
        digest: The digest of its secret; the secret itself goes nowhere.
    """

    id: KeyId
    name: str
    role: Role
    digest: bytes = field(repr=False)


class ApiKeys(Protocol):
    """What keeping API keys needs."""

    async def add_key(self, new: NewKey) -> ApiKey:
        """Keep a key that was just made."""
        ...

    async def find_key(self, key_id: KeyId) -> ApiKey | None:
        """Return a key, revoked or not; `None` if there is none."""
        ...

    async def all_keys(self) -> Sequence[ApiKey]:
        """Return all keys, the revoked ones too, oldest first."""
        ...

    async def revoke_key(self, key_id: KeyId) -> ApiKey | None:
        """Revoke a key; return it as it is kept then, or `None` if there is none.

        The first time counts.
        """
        ...
