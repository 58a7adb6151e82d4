from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from weight_server import WeightServer, serve

from softmode.potentials import Potential, PotentialSettings, resolve


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """One thread for torch: the models are small and the processors shared."""
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def isolated_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees the user's caches or reaches the network."""
    monkeypatch.setenv("SOFTMODE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("SOFTMODE_WEIGHTS_URL", "http://127.0.0.1:9")
    return tmp_path / "cache" / "weights"


@pytest.fixture(scope="session")
def small_mace_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mace")
    from small_mace import build_small_mace

    return build_small_mace(tmp_path_factory.mktemp("mace") / "small.model")


@pytest.fixture(scope="session")
def load_potential(request: pytest.FixtureRequest) -> Iterator[Callable[[PotentialSettings], Potential]]:
    """Load a potential once for the whole session."""
    loaded: dict[str, Potential] = {}

    def load(settings: PotentialSettings) -> Potential:
        key = settings.model_dump_json()
        if key not in loaded:
            loaded[key] = resolve(settings).load()
        return loaded[key]

    yield load
    loaded.clear()


@pytest.fixture
def weight_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WeightServer]:
    """A local server that weights are downloaded from."""
    with serve() as server:
        monkeypatch.setenv("SOFTMODE_WEIGHTS_URL", server.url + "/")
        yield server
