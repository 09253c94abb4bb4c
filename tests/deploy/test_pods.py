"""The containers of the rendered manifests do their work, with a read-only root and no rights."""

import os
import re
import secrets
import signal
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from tests.acceptance.programs import Program, free_port, program, until_ready
from tests.contract.postgresql_server import own_database, server_url
from tests.deploy.manifests import Pod, Resource, helm_with, kustomize, of_kind, pod_of
from tests.sandbox import Container, need_sandbox, process_1

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

TOKEN = secrets.token_hex(16)
ADD_KEY = ("ringback", "keys", "add")
SOURCE = """
[sources.shop]
scheme = "token"
header = "x-shop-token"
secrets = ["file:/run/secrets/ringback/shop"]
"""


@dataclass
class Cluster:
    """What the cluster would provide to the pods.

    Attributes:
        folder: Where the volumes are.
        store: The URL of the database.
        temporal: The address of Temporal.
        metrics_port: A free port for the metrics.
        api_key: A worker's.
    """

    folder: Path
    store: str
    temporal: str
    metrics_port: int = field(default_factory=free_port)
    api_key: str = ""

    def pod(self, resources: Sequence[Resource], pod: Resource) -> Pod:
        """Return a pod with its volumes, of which Secrets and ConfigMaps have their content."""
        volumes: dict[str, Path] = {
            one["name"]: self._folder_of(one, resources) for one in pod["volumes"]
        }
        return Pod(resources, pod, volumes)

    def _folder_of(self, volume: Resource, resources: Sequence[Resource]) -> Path:
        name: str = volume["name"]
        folder = self.folder / name
        folder.mkdir(exist_ok=True, parents=True)
        for key, text in self._files_of(volume, resources).items():
            file = folder / key
            file.unlink(missing_ok=True)
            file.write_text(text, "utf-8")
            file.chmod(volume.get("secret", {}).get("defaultMode", 0o644))
        return folder

    def _files_of(self, volume: Resource, resources: Sequence[Resource]) -> Mapping[str, str]:
        if "configMap" in volume:
            data: Mapping[str, str] = of_kind(resources, "ConfigMap", volume["configMap"]["name"])[
                "data"
            ]
            return data
        if "secret" not in volume:
            return {}
        content = {
            "store": f"{self.store}\n",
            "keys": f"k1:{'5' * 64}\n",
            "webhook-secrets": f"whsec_{b64encode(b'0' * 24).decode()}\n",
            "shop": f"{TOKEN}\n",
            "api-key": f"{self.api_key}\n",
        }
        items = volume["secret"].get("items", [{"key": key, "path": key} for key in content])
        return {one["path"]: content[one["key"]] for one in items}

    def here(self, container: Container) -> Container:
        """Return a container that uses the Temporal and a free port of this machine."""
        environment = {
            **container.environment,
            "TEMPORAL_ADDRESS": self.temporal,
            "RINGBACK_METRICS_PORT": str(self.metrics_port),
        }
        return replace(container, environment=environment)


@workflow.defn(sandboxed=False)
class Ask:
    """Asks people through the worker."""

    @workflow.run
    async def run(self, question: dict[str, Any], task_queue: str) -> dict[str, Any]:
        decision: dict[str, Any] = await workflow.execute_activity(
            "ringback.ask",
            question,
            task_queue=task_queue,
            start_to_close_timeout=timedelta(minutes=1),
        )
        return decision


def key_in(added: Program) -> str:
    """Return the API key that `ringback keys add` printed."""
    (found,) = re.findall(r"rbk_\S+", added.output)
    assert isinstance(found, str)
    return found


@pytest.fixture
async def cluster(tmp_path: Path, temporal_address: str) -> AsyncIterator[Cluster]:
    need_sandbox()
    async with own_database(await server_url()) as store:
        yield Cluster(tmp_path, store, temporal_address)


async def end_of(container: Container) -> Program:
    """Run a container until it ends."""
    async with program(container.words, {}) as ran:
        await ran.end()
        return ran


@asynccontextmanager
async def running(container: Container, port: int) -> AsyncIterator[Program]:
    """Run a gateway's container for the block, and wait until it is ready."""
    async with program(container.words, {}) as gateway:
        await gateway.line("ready http")
        await until_ready(f"http://127.0.0.1:{port}")
        yield gateway


async def stop(gateway: Program) -> tuple[int, float]:
    """Stop a gateway as Kubernetes does; return its exit code and how many seconds it took."""
    begun = time.monotonic()
    os.kill(process_1(gateway.process.pid), signal.SIGTERM)
    return await gateway.end(), time.monotonic() - begun


@dataclass
class Deployed:
    """The containers of one way to deploy."""

    spec: Resource
    migrate: Container
    gateway: Container

    @property
    def seconds_to_stop(self) -> float:
        """How long Kubernetes waits for a gateway that got SIGTERM."""
        (container,) = self.spec["containers"]
        before: float = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        whole: float = self.spec["terminationGracePeriodSeconds"]
        return whole - before


async def statuses_of(deployed: Deployed, port: int) -> list[int]:
    """Return the statuses of the replies to the probes."""
    (container,) = deployed.spec["containers"]
    probes = [container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")]
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        return [(await http.get(probe["httpGet"]["path"])).status_code for probe in probes]


def by_kustomize(cluster: Cluster, port: int) -> Deployed:
    resources = kustomize("base")
    spec = pod_of(of_kind(resources, "Deployment"))
    pod = cluster.pod(resources, spec)
    gateway = pod.container("containers", "gateway", f"--port={port}")
    return Deployed(spec, pod.container("initContainers", "migrate"), gateway)


def by_helm(cluster: Cluster, port: int) -> Deployed:
    resources = helm_with({"files.ringback\\.toml": SOURCE})
    spec = pod_of(of_kind(resources, "Deployment"))
    job = pod_of(of_kind(resources, "Job", "ringback-migrate"))
    gateway = cluster.pod(resources, spec).container("containers", "gateway", f"--port={port}")
    return Deployed(spec, cluster.pod(resources, job).container("containers", "migrate"), gateway)


async def test_pods_of_kustomize_migrate_serve_and_stop_in_time(cluster: Cluster) -> None:
    port = free_port()
    deployed = by_kustomize(cluster, port)
    gateway = cluster.here(deployed.gateway)

    migrated = await end_of(cluster.here(deployed.migrate))
    async with running(gateway, port) as serving:
        statuses = await statuses_of(deployed, port)
        async with httpx2.AsyncClient() as http:
            metrics = await http.get(f"http://127.0.0.1:{cluster.metrics_port}/metrics")
            not_here = await http.get(f"http://127.0.0.1:{port}/metrics")
        # `kubectl exec`, as the page says.
        added = await end_of(replace(gateway, command=[*ADD_KEY, "--role=worker", "--name=orders"]))
        code, seconds = await stop(serving)

    assert migrated.process.returncode == 0, migrated.output
    assert statuses == [200, 200, 200]
    assert "ringback_store_up 1.0" in metrics.text
    assert not_here.status_code == 404
    assert "rbk_" in added.output
    assert (code, seconds < deployed.seconds_to_stop / 2) == (0, True), serving.output
    # The mode of the mounted secrets does not open them to other users.
    assert "secret file" not in serving.output


async def test_pods_of_the_chart_migrate_and_serve_their_sources(cluster: Cluster) -> None:
    port = free_port()
    deployed = by_helm(cluster, port)

    migrated = await end_of(cluster.here(deployed.migrate))
    async with (
        running(cluster.here(deployed.gateway), port) as serving,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        statuses = await statuses_of(deployed, port)
        known = await http.post("/in/shop", json={"id": "1"}, headers={"x-shop-token": TOKEN})
        forged = await http.post("/in/shop", json={"id": "2"}, headers={"x-shop-token": "x"})
        code, seconds = await stop(serving)

    assert migrated.process.returncode == 0, migrated.output
    assert statuses == [200, 200, 200]
    assert (known.status_code, forged.status_code) == (200, 401), known.text
    assert (code, seconds < deployed.seconds_to_stop / 2) == (0, True), serving.output


async def test_one_pod_creates_its_keys_and_its_store_on_the_volume(cluster: Cluster) -> None:
    resources = kustomize("overlays/one-pod")
    pod = cluster.pod(resources, pod_of(of_kind(resources, "Deployment")))
    port = free_port()
    gateway = cluster.here(pod.container("containers", "gateway", f"--port={port}"))

    async with running(gateway, port):
        created = {file.name for file in pod.volumes["data"].iterdir()}

    assert {"operator.key", "worker.key", "ringback.keys", "ringback.db"} <= created


async def test_worker_asks_people_by_the_gateway_of_its_cluster(
    cluster: Cluster, client: Client, unique: str
) -> None:
    port = free_port()
    deployed = by_kustomize(cluster, port)
    gateway = cluster.here(deployed.gateway)
    await end_of(cluster.here(deployed.migrate))
    async with running(gateway, port) as serving:
        added = await end_of(replace(gateway, command=[*ADD_KEY, "--role=worker", "--name=w"]))
        beside = replace(cluster, folder=cluster.folder / "worker", api_key=key_in(added))
        resources = kustomize("../../tests/deploy/worker")
        spec = pod_of(of_kind(resources, "Deployment", "ringback-worker"))
        worker = beside.here(
            beside.pod(resources, spec).container("containers", "worker", f"--task-queue={unique}")
        )
        here = {**worker.environment, "RINGBACK_URL": f"http://127.0.0.1:{port}"}
        async with program(replace(worker, environment=here).words, {}) as asking:
            question = {"title": "Order 17", "deadline": "1s", "on_deadline": {"approved": False}}
            async with Worker(client, task_queue=f"{unique}-w", workflows=[Ask]):
                decision = await client.execute_workflow(
                    Ask.run, args=[question, unique], id=unique, task_queue=f"{unique}-w"
                )
            code, seconds = await stop(asking)
        await stop(serving)

    assert (decision["approved"], decision["is_default"]) == (False, True)
    assert (code, seconds < spec["terminationGracePeriodSeconds"] / 2) == (0, True), asking.output
