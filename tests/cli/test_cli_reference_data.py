"""``softmode fetch`` and ``softmode ingest``, and a study of what they leave behind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataverse_server import DOI, Served, serve_dataverse
from hdp_cases import RUN, cut_in_frame, make_truths, pack, write_truths
from hdp_standin import Truth
from tiny_study import FACTORIES, QUICK, run_tiny
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.errors import SoftmodeError
from softmode.records import Record
from softmode.study.settings import parse_study


@dataclass
class Done:
    code: int
    stdout: str
    stderr: str


def softmode(*arguments: object, **environment: str) -> Done:
    """The command as typed; an error as it is shown."""
    result = CliRunner(env={"COLUMNS": "200", **environment}).invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, SoftmodeError):
        return Done(1, result.stdout, result.stderr + str(result.exception))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def truths() -> dict[str, Truth]:
    return make_truths()


@pytest.fixture
def tree(truths: dict[str, Truth], tmp_path: Path) -> Path:
    return write_truths(tmp_path / "tree", truths)


def test_fetch_and_ingest(tree: Path, tmp_path: Path) -> None:
    """From a Dataverse whose files are archives of compounds to a store."""
    archives = [pack(folder, ".tar.gz") for folder in sorted(tree.glob("*/dpv_*"))]
    with serve_dataverse() as server:
        for number, path in enumerate([*archives, tree / "double_halide_pv.db"]):
            directory = "" if path.parent == tree else path.parent.name
            server.files[number] = Served(path.read_bytes(), directory, path.name)
        server.files[1].faults = [("cut", 20_000)]
        server.files[9] = Served(b"secret", "", "paper_draft.pdf", restricted=True)
        fetched = softmode("fetch", "hdp", "--doi", DOI, "--into", tmp_path / "raw", "--server", server.url)
        listed = softmode("fetch", "hdp", "--doi", DOI, "--list", SOFTMODE_DATAVERSE_URL=server.url)
        lost = softmode("fetch", "hdp", "--doi", "10.1/x", SOFTMODE_DATAVERSE_URL=server.url)
    assert (fetched.code, fetched.stderr) == (0, "restricted paper_draft.pdf: left out\n")
    assert fetched.stdout.splitlines()[0] == "4 files fetched, 1 restricted, 0 failed"
    assert "paper_draft.pdf  (restricted)" in listed.stdout
    assert lost.code == 1
    assert "this is no DOI" in lost.stderr
    done = softmode("ingest", tmp_path / "raw", tmp_path / "store", "--workers", 1)
    assert done.code == 0
    assert done.stdout.splitlines()[0] == "3 materials, 3 readable, 33 frames"
    assert {path.stem for path in (tmp_path / "store" / "materials").iterdir()} == {
        path.name.removesuffix(".tar.gz") for path in archives
    }


def test_ingest_names_what_is_wrong_and_reads_the_rest(tree: Path, tmp_path: Path) -> None:
    (tree / "fluorides" / "dpv_Cs2NaAlF6" / "force_constants.hdf5").unlink()
    cut_in_frame(tree / "bromides" / "dpv_Cs2AgBiBr6" / RUN.format(1), 4)
    done = softmode("ingest", tree, tmp_path / "store", "--workers", 1)
    assert done.code == 0
    assert "dpv_Cs2NaAlF6: force_constants.hdf5 is missing" in done.stderr
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert ["1", "material cannot be read"] in lines
    assert ["1", "a run is cut short"] in lines
    assert lines[0] == ["3", "materials, 2 readable, 31 frames"]
    again = softmode("ingest", tree / "nothing", tmp_path / "store")
    assert again.code == 1
    assert "no such file or folder" in again.stderr


def test_fetch_phonondb(tmp_path: Path) -> None:
    (tmp_path / "wanted.txt").write_text("mp-1138  # LiF\n")
    with serve_dataverse() as server:
        server.archives = {"materials-id-1138-lif-fm-3m-225.tar.lzma": Served(b"LiF" * 100)}
        where = {"SOFTMODE_PHONONDB_URL": server.url}
        done = softmode("fetch", "phonondb", tmp_path / "wanted.txt", "--into", tmp_path / "p", **where)
        none = softmode("fetch", "phonondb", **where)
        other = softmode("fetch", "phonondb", "mp-1139", **where)
        server.archives["materials-id-1138-lif-fm-3m-225.tar.lzma"].faults = [("flip", 3)] * 2
        bad = softmode("fetch", "phonondb", "--all", "--into", tmp_path / "q", **where)
    assert done.code == 0, done.stderr
    assert (tmp_path / "p" / "materials-id-1138-lif-fm-3m-225.tar.lzma").read_bytes() == b"LiF" * 100
    assert (none.code, other.code, bad.code) == (1, 1, 1)
    assert "nothing is named" in none.stderr
    assert "no such material" in other.stderr
    assert "GIT checksum" in bad.stderr


def test_what_cannot_be_fetched_is_told_what_can() -> None:
    assert "it cannot be fetched. these can: phonondb, hdp" in softmode("fetch", "example").stderr
    assert "did you mean phonondb" in softmode("fetch", "phonodb", "mp-1").stderr
    assert "give the DOI of the database" in softmode("fetch", "hdp", "--all").stderr
    assert "both items and --all are given" in softmode("fetch", "phonondb", "mp-1", "--all").stderr


def run_study_of(path: Path, output: Path, **potential: Any) -> dict[str, Record]:
    """Records of a study of Cs2AgBiBr6, by measurement."""
    content = {
        "name": "stand-in",
        "output": str(output),
        "dataset": {
            "kind": "hdp",
            "path": str(path),
            "select": {"ids": ["dpv_Cs2AgBiBr6"]},
            "options": {"skip": 1},
        },
        "potential": [{"name": "hdp_potential:cheap", **potential}],
        "protocol": QUICK,
        "run": {"executor": f"{FACTORIES}:one_thread"},
    }
    study, report = run_tiny(parse_study(content, "hdp.toml"))
    assert report.failed == 0
    records = [study.store.read(path.stem) for path in study.store.root.glob("*/*.h5")]
    return {record.inputs["measurement"]: record for record in records}


def test_a_study_of_tree_and_store_gives_the_truth(
    tree: Path, tmp_path: Path, truths: dict[str, Truth]
) -> None:
    """σ of the reference from the generator's own arrays; the exact potential gives it too."""
    assert softmode("ingest", tree, tmp_path / "store", "--workers", 1).code == 0
    stored = run_study_of(tmp_path / "store", tmp_path / "a")
    raw = run_study_of(tree, tmp_path / "b")
    assert {name: record.key for name, record in stored.items()} == {n: r.key for n, r in raw.items()}
    truth = truths["dpv_Cs2AgBiBr6"].sigma_t(skip=1)
    [result] = [record for record in stored.values() if "sigma_t_phi_model" in record.arrays]
    np.testing.assert_allclose(result.arrays["sigma_t_reference"], truth, rtol=1e-6)
    np.testing.assert_allclose(result.arrays["sigma_t_phi_ref"], truth, rtol=1e-5)
    np.testing.assert_allclose(result.arrays["sigma_t_phi_model"], truth, rtol=2e-2)
    for name, record in stored.items():
        assert json.dumps(dict(record.values), sort_keys=True) == json.dumps(
            dict(raw[name].values), sort_keys=True
        )
