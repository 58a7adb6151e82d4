"""A store of any kind of dataset: what it was made of, to the last bit, and nothing read twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from trajectory_cases import make_case, write_vibes
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.datasets import known_datasets, open_dataset, open_reference
from softmode.datasets.ingest import ingest
from softmode.datasets.store import MANIFEST, read_manifest
from softmode.errors import InputDataError, SettingsError

pytestmark = pytest.mark.filterwarnings("ignore:Warning. Point group symmetries")  # 2×1×2 cells


class Source(NamedTuple):
    kind: str
    path: Path | None
    options: dict[str, Any]


def phonondb(folder: Path, cscl_like: Path) -> Source:
    """Displacements with forces, Born charges, no trajectory."""
    shutil.copytree(cscl_like, folder / cscl_like.name)
    return Source("phonondb", folder, {})


def example_files(folder: Path) -> Path:
    for name in ("phonopy_params.yaml", "frames_300K.extxyz"):
        (folder / name).write_bytes((files("softmode") / "data" / "Cs2AgBiBr6" / name).read_bytes())
    return folder


def phonopy_with_files(folder: Path, _: Path) -> Source:
    """Cartesian coordinates with more than eight decimals."""
    return Source("phonopy", example_files(folder), {"trajectory": "*.extxyz", "level_of_theory": "PBE"})


def phonopy_with_itself(folder: Path, _: Path) -> Source:
    """Frames that are in phonopy's order already, with a note of the reader."""
    return Source("phonopy", example_files(folder), {"trajectory": "dataset"})


def vibes(folder: Path, _: Path) -> Source:
    for name, frames in (("a", 6), ("b", 4)):
        write_vibes(make_case(frames), folder / f"{name}.nc")
    return Source("vibes", folder, {})


def structures(_: Path, __: Path) -> Source:
    return Source("structures", None, {"formulas": ["KInCl3", "C60"], "prototype": "elpasolite"})


SOURCES = (phonondb, phonopy_with_files, phonopy_with_itself, vibes, structures)


@pytest.fixture(params=SOURCES, ids=lambda make: make.__name__)
def source(request: pytest.FixtureRequest, tmp_path: Path, cscl_like: Path) -> Source:
    make: Callable[[Path, Path], Source] = request.param
    (tmp_path / "source").mkdir()
    return make(tmp_path / "source", cscl_like)


def error_of(read: Callable[[], object]) -> str:
    with pytest.raises(InputDataError) as caught:
        read()
    return str(caught.value)


def test_a_store_gives_what_it_was_made_of(source: Source, tmp_path: Path) -> None:
    ingest(source.kind, source.path, tmp_path / "store", options=source.options)
    choices: list[dict[str, int]] = [{}]
    if source.kind in ("vibes", "phonopy"):
        choices += [{"skip": 1, "every": 2}]
    for chosen in choices:
        raw = open_dataset(source.kind, source.path, **{**source.options, **chosen}).entries()
        stored = open_dataset(source.kind, tmp_path / "store", **chosen).entries()
        for ours, theirs in zip(stored, raw, strict=True):
            assert (ours.name, ours.has_trajectory) == (theirs.name, theirs.has_trajectory)
            if theirs.name == "C60":
                assert error_of(ours.load) == error_of(theirs.load)
                continue
            material, original = ours.load(), theirs.load()
            assert material.structure_digest == original.structure_digest
            assert material.reference_digest == original.reference_digest
            assert (material.nac is None) == (original.nac is None)
            assert material.nac is None or material.nac.digest == original.nac.digest  # type: ignore[union-attr]
            assert (material.unitcell.masses == original.unitcell.masses).all()
            assert (material.name, material.formula) == (original.name, original.formula)
            assert dict(material.tags) == dict(original.tags)
            if ours.has_trajectory:
                frames, others = ours.load_trajectory(), theirs.load_trajectory()
                assert (frames.digest, frames.notes) == (others.digest, others.notes)
                assert (frames.source, frames.run_lengths) == (others.source, others.run_lengths)
                assert chosen or ours.trajectory_digest == frames.digest


def test_nothing_is_read_twice_and_what_changed_is(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    source = vibes(tmp_path / "source", tmp_path)
    read: list[str] = []

    def again() -> list[str]:
        read.clear()
        ingest("vibes", source.path, tmp_path / "store", advance=lambda report: read.append(report.name))
        return read

    assert again() == ["a", "b"]
    assert again() == []
    write_vibes(make_case(5), tmp_path / "source" / "b.nc")
    assert again() == ["b"]
    (tmp_path / "source" / "a.nc").unlink()
    assert again() == []
    assert [report.name for report in read_manifest(tmp_path / "store").materials] == ["b"]


def test_other_options_are_other_contents(tmp_path: Path, cscl_like: Path) -> None:
    """A phonopy material depends on what its files do not say."""
    (tmp_path / "source").mkdir()
    source = phonopy_with_files(tmp_path / "source", cscl_like)
    read: list[str] = []
    for level in ("PBE", "PBE", "LDA"):
        options = {**source.options, "level_of_theory": level}
        ingest(
            "phonopy", source.path, tmp_path / "store", options=options, advance=lambda r: read.append(r.name)
        )
    assert len(read) == 2
    [entry] = open_dataset("phonopy", tmp_path / "store").entries()
    assert entry.load().tags["level_of_theory"] == "LDA"


def test_the_command_recognises_what_it_is_given(tmp_path: Path, cscl_like: Path) -> None:
    (tmp_path / "source").mkdir()
    vibes(tmp_path / "source", cscl_like)
    (tmp_path / "study.toml").write_text(
        'output = "out"\n[dataset]\nkind = "vibes"\npath = "source"\noptions = {skip = 2}\n'
        '[[potential]]\nname = "chgnet"\n'
    )
    frames = {}
    for given, more in ((tmp_path / "source", ("--option", "skip=2")), (tmp_path / "study.toml", ())):
        store = tmp_path / f"store_of_{given.stem}"
        done = CliRunner().invoke(app, ["ingest", str(given), str(store), *more, "--workers", "1"])
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[0] == "2 materials, 2 readable, 10 frames"
        manifest = json.loads((store / MANIFEST).read_text())
        assert (manifest["kind"], manifest["options"]) == ("vibes", {"skip": 2})
        frames[given.stem] = [
            entry.load_trajectory().run_lengths for entry in open_dataset("vibes", store).entries()
        ]
        assert all(entry.trajectory_digest for entry in open_dataset("vibes", store).entries())
    assert frames == {"source": [(4,), (2,)], "study": [(4,), (2,)]}
    unknown = CliRunner().invoke(
        app, ["ingest", str(tmp_path / "source"), str(tmp_path / "x"), "--option", "skip"]
    )
    assert "it has no value" in str(unknown.exception)


def test_a_store_is_of_one_kind(tmp_path: Path, cscl_like: Path) -> None:
    (tmp_path / "source").mkdir()
    ingest(*vibes(tmp_path / "source", cscl_like)[:2], tmp_path / "store")
    with pytest.raises(SettingsError, match="it is a store of vibes"):
        ingest("phonondb", cscl_like, tmp_path / "store")


def test_one_material_of_a_store_is_a_reference(tmp_path: Path, cscl_like: Path) -> None:
    (tmp_path / "source").mkdir()
    source = phonondb(tmp_path / "source", cscl_like)
    ingest(source.kind, source.path, tmp_path / "store")
    assert open_reference(tmp_path / "store").name == "mp-1"


def test_what_comes_with_softmode_needs_no_store(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="takes no path"):
        ingest("example", tmp_path, tmp_path / "store")
    with pytest.raises(SettingsError, match="it comes with softmode"):
        ingest("example", None, tmp_path / "store")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("kind", known_datasets(), ids=lambda kind: kind.name)
def test_every_kind_says_all_that_is_needed(kind: Any) -> None:
    assert kind.title
    assert kind.holds
    assert kind.citation
    assert kind.licence
    assert all(kind.option_meanings.values())
    kind.options()  # all have defaults
