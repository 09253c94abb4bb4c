"""A workflow that calls a Nexus operation; in a file that Temporal's sandbox loads again."""

from datetime import timedelta

from temporalio import workflow


@workflow.defn
class Buyer:
    """Calls the operation of the page, and ends if it cannot be started."""

    @workflow.run
    async def run(self, endpoint: str) -> bool:
        client = workflow.create_nexus_client(service="Orders", endpoint=endpoint)
        return await client.execute_operation(
            "approve",
            "17",
            output_type=bool,
            schedule_to_close_timeout=timedelta(seconds=60),
        )
