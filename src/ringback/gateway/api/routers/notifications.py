"""The route that tests a channel."""

from fastapi import Request

from ringback.domain.api_key import Act
from ringback.gateway.api.access import new_router, requires
from ringback.gateway.api.bodies import SMALL, read_model
from ringback.gateway.api.openapi import OF_A_BODY, problems, takes
from ringback.gateway.gateway import GatewayOf
from ringback.ports.notifications import Sent
from ringback.schemas.notifications import ChannelTestIn, ChannelTestOut

router = new_router("/notifications")


@router.post(
    "/test",
    summary="Send a test message through a channel",
    dependencies=requires(Act.NOTIFY),
    responses=problems(*OF_A_BODY),
    openapi_extra=takes(ChannelTestIn),
)
async def test_channel(gateway: GatewayOf, request: Request) -> ChannelTestOut:
    """Send one message now, and return the result. It is not retried."""
    asked, _ = await read_model(request, ChannelTestIn, limit=SMALL)
    channel, _, recipient = asked.channel.partition(":")
    sending = await gateway.notifier.test(channel, asked.to or recipient)
    if isinstance(sending, Sent):
        return ChannelTestOut(sent=True, error=None)
    return ChannelTestOut(sent=False, error=sending.reason)
