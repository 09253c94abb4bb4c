"""Statements of keeping API keys."""

from typing import Final

from sqlalchemy import bindparam, select, update

from ringback.store.bulk_params import INSERTS
from ringback.store.tables import Instant, api_keys

#: Of several gateways that add the same key at once, one does.
ADD: Final = {
    dialect: insert(api_keys).on_conflict_do_nothing() for dialect, insert in INSERTS.items()
}

FIND: Final = select(api_keys).where(api_keys.c.id == bindparam("key_id"))

ALL: Final = select(api_keys).order_by(api_keys.c.made_at, api_keys.c.id)

#: The first time counts.
REVOKE: Final = (
    update(api_keys)
    .where(api_keys.c.id == bindparam("key_id"), api_keys.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now", type_=Instant))
)
