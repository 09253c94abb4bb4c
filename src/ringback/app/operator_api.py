"""Puts the services of the operator API together, around the gateway."""

from collections.abc import Callable
from typing import Protocol

import ringback
from ringback.core.api_auth import Authorizer
from ringback.core.opening import CallbackOpener, OpenService
from ringback.core.operations import OperatorService
from ringback.domain.ids import CallbackId
from ringback.gateway.api.services import Services
from ringback.gateway.gateway import Gateway
from ringback.gateway.receipts import Receipts
from ringback.ports.activities import Identifier
from ringback.ports.api_keys import ApiKeys
from ringback.ports.deadlines import Deadlines
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
    opener: CallbackOpener,
    identifier: Identifier,
    results: SchemaChecker,
    new_callback_id: Callable[[], CallbackId],
    namespace: str,
) -> Services:
    """Return what the operator API of `gateway` calls; whoever made `opener` runs it."""
    keyring, clock = gateway.keyring, gateway.clock
    return Services(
        authorizer=Authorizer(store, clock=clock),
        open_service=OpenService(
            opener, identifier, results, new_callback_id=new_callback_id, key_id=keyring.signing
        ),
        opener=opener,
        answer_service=gateway.answer_service,
        heartbeat_service=gateway.heartbeat_service,
        receipts=Receipts(gateway.verdicts),
        operator_service=OperatorService(store, store, store, links=store),
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
