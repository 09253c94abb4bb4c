"""Settings of all programs of this example: where everything is, and how long a caller waits."""

import os

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.plugin import SimplePlugin

TASK_QUEUE = os.environ.get("TASK_QUEUE", "async-activities")

HOST = os.environ.get("HOST", "127.0.0.1")
"""The address that the HTTP servers listen on."""

HTTP_SERVICE_URL = os.environ.get("HTTP_SERVICE_URL", "http://127.0.0.1:8002")

WORKER_HTTP_PORT = int(os.environ.get("WORKER_HTTP_PORT", "8003"))
WORKER_HTTP_URL = os.environ.get("WORKER_HTTP_URL", f"http://127.0.0.1:{WORKER_HTTP_PORT}")
"""The HTTP server in the worker of option 1. Option 2 has none: the gateway receives callbacks."""

PATIENCE_SECONDS = int(os.environ.get("PATIENCE_SECONDS", "15"))
"""How much longer than announced the activity waits before it times out."""


async def connect(*plugins: SimplePlugin) -> Client:
    """Connect to the Temporal server at TEMPORAL_ADDRESS, or at localhost:7233."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    return await Client.connect(**config, plugins=list(plugins))
