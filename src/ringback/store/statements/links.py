"""Statements of revoking links."""

from typing import Final

from sqlalchemy import bindparam, update

from ringback.store.tables import callbacks

REVOKE: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"))
    .values(link_serial=callbacks.c.link_serial + 1)
)
