"""Whose phonons a potential was trained on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from shared_weights import SHARED_WEIGHTS
from typer.testing import CliRunner
from weight_server import Answer, WeightServer

from softmode import downloads
from softmode.cli.app import app
from softmode.potentials import Entry, find_entry, leakage, registry
from softmode.potentials.family import SplitFile
from softmode.potentials.leakage import obtain_split, phonons_seen, seen_statement

PFT = "nequix-oam-1-pft"
BODY = json.dumps({"train": ["mp-1", "mp-2"], "val": ["mp-3"], "test": ["mp-4"]}).encode()


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> Entry:
    """The entry of a potential trained on Hessians, with a small split; one attempt at fetching it."""
    found = find_entry(PFT)
    assert found is not None
    split = SplitFile("https://example.org/split.json", hashlib.sha256(BODY).hexdigest(), "nequix/split.json")
    own = replace(found, split=split)
    monkeypatch.setattr(leakage, "find_entry", lambda name: own if name == PFT else registry.find_entry(name))
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    return own


def test_a_crystal_is_in_a_part_of_the_split_or_in_none(entry: Entry, weight_server: WeightServer) -> None:
    weight_server.answers["nequix/split.json"] = Answer(BODY)
    assert entry.split is not None
    assert obtain_split(entry.split) is None
    said = [phonons_seen(f"mp-{number}", PFT) for number in (1, 2, 3, 4, 5)]
    assert said == ["train", "train", "val", "test", "no"]
    assert phonons_seen("CsPbI3", PFT) == "unknown"
    assert seen_statement(entry) == "2 in train, 1 in val, 1 in test (ids of the Materials Project)"


def test_what_is_not_known_is_said_so(entry: Entry) -> None:
    assert phonons_seen("mp-1", PFT) == "unknown"
    assert phonons_seen("mp-1", "my.model") == "unknown"
    assert [phonons_seen("mp-1", name) for name in ("chgnet", "SevenNet-0", "nequix-oam-1")] == ["no"] * 3
    assert entry.split is not None
    assert obtain_split(entry.split) is not None  # nobody answers, and nothing is raised
    assert phonons_seen("mp-1", PFT) == "unknown"


def test_a_split_that_is_not_the_published_one_says_nothing(entry: Entry, isolated_cache: Path) -> None:
    path = isolated_cache / "nequix" / "split.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY.replace(b"mp-4", b"mp-5"))
    assert phonons_seen("mp-1", PFT) == "unknown"


@pytest.mark.shared_data
def test_the_published_split_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (SHARED_WEIGHTS / "nequix" / "pbe_mdr_split.json").is_file():
        pytest.skip("the published split is not here")
    monkeypatch.setenv("SOFTMODE_WEIGHTS_URL", SHARED_WEIGHTS.resolve().as_uri())
    shown = CliRunner().invoke(app, ["potentials", "show", PFT, "--material", "mp-558985"]).stdout
    assert "8510 in train, 448 in val, 1000 in test" in " ".join(shown.split())
    assert "mp-558985: train" in " ".join(shown.split())
    assert phonons_seen("mp-755461", PFT) == "val"
    assert phonons_seen("mp-567558", "nequix-mp-1-pft-no-cotrain") == "test"
