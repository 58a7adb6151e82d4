"""The pod that Parsl would ask Kubernetes for, made of its client's own classes where that is installed."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from parsl.providers.kubernetes import kube

from softmode.cluster.providers import make_configuration
from softmode.cluster.settings import ClusterSettings


class Pretended:
    """Classes of the client that keep what they are given."""

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace


class Core:
    """The interface that pods are made with."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Any]] = []
        self.ended: list[str] = []

    def create_namespaced_pod(self, namespace: str, body: Any) -> Any:
        self.made.append((namespace, body))
        return SimpleNamespace(status="Pending")

    def delete_namespaced_pod(self, name: str, namespace: str, body: Any) -> Any:
        self.ended.append(name)
        return SimpleNamespace(status="Terminating")


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Core:
    try:
        found = importlib.import_module("kubernetes.client")
        classes = {name: getattr(found, name) for name in dir(found) if name.startswith("V1")}
        client: Any = SimpleNamespace(**classes)
    except ImportError:
        client = Pretended()
    core = Core()
    monkeypatch.setattr(client, "CoreV1Api", lambda: core, raising=False)
    config = SimpleNamespace(load_kube_config=lambda: None, config_exception=SimpleNamespace())
    for name, value in (("client", client), ("config", config), ("_kubernetes_enabled", True)):
        monkeypatch.setattr(kube, name, value, raising=False)
    return core


def test_a_pod_holds_what_was_asked_for(core: Core, tmp_path: Path) -> None:
    settings = ClusterSettings(
        provider="kubernetes",
        jobs=3,
        accelerators_per_node=2,
        cores_per_worker=8,
        memory_per_node=60,
        queue="physics",
        worker_init=("cd /mount",),
        options={"image": "softmode:0.1", "persistent_volumes": [["claim", "/mount"]]},
    )
    [executor] = make_configuration({"gpu": settings}, 1, tmp_path, "here").executors
    executor.run_dir, executor.worker_port, executor.cert_dir = str(tmp_path), 54321, "/keys"
    executor.logconf_path = None
    executor.initialize_scaling()
    assert executor.provider.max_blocks == 3
    job = executor.provider.submit(executor.launch_cmd.format(block_id="0"), 1, "parsl.gpu")
    [(namespace, pod)] = core.made
    [container] = pod.spec.containers
    assert (namespace, container.image) == ("physics", "softmode:0.1")
    assert container.resources.requests == {"cpu": "16", "memory": "60Gi"}
    assert container.resources.limits == {"cpu": "16", "memory": "60Gi", "nvidia.com/gpu": "2"}
    [mount] = container.volume_mounts
    [volume] = pod.spec.volumes
    assert (mount.mount_path, mount.name) == ("/mount", volume.name)
    assert volume.persistent_volume_claim.claim_name == "claim"
    assert container.command == ["/bin/bash"]
    script = container.args[1]
    assert script.index("cd /mount") < script.index("process_worker_pool.py")
    assert "--max_workers_per_node=2 " in script
    assert "--available-accelerators 0 1" in script
    executor.provider.cancel([job])
    assert core.ended == [pod.metadata.name]
