"""Puts the operator API together, around the gateway."""

from collections.abc import Callable
from typing import Protocol

import ringback
from ringback.core.ask import Asking
from ringback.core.authorize import Authorizing
from ringback.core.open import Opening
from ringback.core.operate import Operating
from ringback.domain.ids import CallbackId
from ringback.gateway.api.access import Gate
from ringback.gateway.api.answering import AnsweringRoutes
from ringback.gateway.api.looking import LookingRoutes
from ringback.gateway.api.opening import OpeningRoutes
from ringback.gateway.api.operating import OperatingRoutes
from ringback.gateway.api.operator_api import OperatorApi
from ringback.gateway.receipts import Receipts
from ringback.gateway.routes import Gateway
from ringback.ports.deadlines import Deadlines
from ringback.ports.identifying import Identifier
from ringback.ports.keys import Keys
from ringback.ports.links import Links
from ringback.ports.results import ResultChecker
from ringback.ports.store import CallbackIndex, CallbackStore, DeliveryQueue
from ringback.shapes.foreign import why_unusable


class OperatedStore(CallbackStore, DeliveryQueue, Deadlines, CallbackIndex, Links, Keys, Protocol):
    """What the operator API works on."""


def operator_api(
    gateway: Gateway,
    store: OperatedStore,
    *,
    opening: Opening,
    identifier: Identifier,
    results: ResultChecker,
    new_callback_id: Callable[[], CallbackId],
) -> OperatorApi:
    """Return the operator API of `gateway`; `opening` is run by whoever made it."""
    keyring, clock, url = gateway.keyring, gateway.clock, gateway.public_url
    asking = Asking(
        opening, identifier, results, new_callback_id=new_callback_id, key_id=keyring.signing
    )
    return OperatorApi(
        gate=Gate(Authorizing(store, clock=clock)),
        opening=OpeningRoutes(
            asking, opening, store, keyring, why_unusable, url, gateway.body_limit
        ),
        looking=LookingRoutes(store, store),
        answering=AnsweringRoutes(
            gateway.accepting,
            gateway.heartbeating,
            Receipts(gateway.verdicts, store, clock),
            gateway.body_limit,
        ),
        operating=OperatingRoutes(
            Operating(store, store, store, links=store), store, keyring, clock, url
        ),
        version=ringback.__version__,
    )
