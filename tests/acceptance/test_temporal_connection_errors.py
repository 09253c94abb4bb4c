"""Why Temporal cannot be reached is logged at the start, in the SDK's words, without secrets."""

from dataclasses import replace

import pytest

from tests.acceptance.programs import Program, free_port
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes]

REASON = "cannot use Temporal"


async def said(gateway: Program) -> str:
    """Return why the gateway cannot use Temporal, once it has logged it."""
    await gateway.times(REASON, 1)
    return next(line for line in gateway.lines if REASON in line)


async def test_refused_connection_is_logged_at_start(site: Site) -> None:
    site = replace(site, temporal_address=f"127.0.0.1:{free_port()}")
    async with site.gateway() as gateway:
        assert "Connection refused" in await said(gateway)


async def test_tls_to_a_plain_server_is_logged_at_start(shared_site: Site) -> None:
    async with shared_site.gateway(TEMPORAL_API_KEY="hush") as gateway:
        reason = await said(gateway)
        assert "InvalidContentType" in reason
        assert "hush" not in gateway.output


async def test_unknown_namespace_is_logged_at_start(shared_site: Site) -> None:
    async with shared_site.gateway(TEMPORAL_NAMESPACE="nowhere") as gateway:
        assert "Namespace nowhere is not found" in await said(gateway)
