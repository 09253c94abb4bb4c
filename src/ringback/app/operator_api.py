"""Puts the services of the operator API together, around the gateway."""

from collections.abc import Callable
from typing import Protocol

import ringback
from ringback.core.ask import Asking
from ringback.core.authorize import Authorizing
from ringback.core.open import Opening
from ringback.core.operate import Operating
from ringback.domain.ids import CallbackId
from ringback.gateway.api.services import Services
from ringback.gateway.gateway import Gateway
from ringback.gateway.receipts import Receipts
from ringback.ports.api_keys import ApiKeys
from ringback.ports.deadlines import Deadlines
from ringback.ports.identifier import Identifier
from ringback.ports.store import CallbackIndex, CallbackStore, DeliveryQueue, Links
from ringback.result_schema.checker import SchemaChecker


class OperatedStore(
    CallbackStore, DeliveryQueue, Deadlines, CallbackIndex, Links, ApiKeys, Protocol
):
    """What the operator API works on."""


def operator_services(
    gateway: Gateway,
    store: OperatedStore,
    *,
    opening: Opening,
    identifier: Identifier,
    results: SchemaChecker,
    new_callback_id: Callable[[], CallbackId],
    namespace: str,
) -> Services:
    """Return what the operator API of `gateway` calls; whoever made `opening` runs it."""
    keyring, clock = gateway.keyring, gateway.clock
    return Services(
        authorizing=Authorizing(store, clock=clock),
        asking=Asking(
            opening, identifier, results, new_callback_id=new_callback_id, key_id=keyring.signing
        ),
        opening=opening,
        accepting=gateway.accepting,
        heartbeating=gateway.heartbeating,
        receipts=Receipts(gateway.verdicts, store, clock),
        operating=Operating(store, store, store, links=store),
        store=store,
        keyring=keyring,
        clock=clock,
        check_schema=results.why_unusable,
        validate=results.problems,
        public_url=gateway.public_url,
        body_limit=gateway.body_limit,
        version=ringback.__version__,
        namespace=namespace,
    )
