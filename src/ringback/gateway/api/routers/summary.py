"""The route that says whether anything is wrong."""

from ringback.domain.api_key import Act
from ringback.gateway.api.access import new_router, requires
from ringback.gateway.gateway import GatewayOf
from ringback.gateway.summary import summarize
from ringback.schemas.summary import SummaryOut

router = new_router("/summary")


@router.get("", summary="Say whether anything is wrong", dependencies=requires(Act.VIEW))
async def show_summary(gateway: GatewayOf) -> SummaryOut:
    """Return the problems, the most urgent first, each with what to do.

    Queues and refused requests are those of this gateway. The reply takes at most a few seconds,
    also while the store or Temporal is away.
    """
    return await summarize(gateway)
