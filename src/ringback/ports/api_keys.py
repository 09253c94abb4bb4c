"""The store's side of API keys; the promises of `ringback.ports.store` hold here too."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ringback.domain.api_key import ApiKey, KeyId, Role


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key.

    Attributes:
        id: The key's unique id.
        name: What the key is for.
        role: What the key allows.
        digest: The digest of the secret; the secret itself is not stored.
    """

    id: KeyId
    name: str
    role: Role
    digest: bytes = field(repr=False)


class ApiKeys(Protocol):
    """What the management of API keys needs."""

    async def add_key(self, new: NewKey) -> ApiKey:
        """Store a new key."""
        ...

    async def find_key(self, key_id: KeyId) -> ApiKey | None:
        """Return a key, revoked or not."""
        ...

    async def all_keys(self) -> Sequence[ApiKey]:
        """Return all keys, revoked ones included, oldest first."""
        ...

    async def revoke_key(self, key_id: KeyId) -> ApiKey | None:
        """Revoke a key and return it; `None` if it does not exist.

        Revoking it again does not change when it was revoked.
        """
        ...
