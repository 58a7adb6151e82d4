"""A study whose records are packed: the same to run, to read and to compare."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from report_page import document_of
from tiny_study import emt, factory, record_contents, run_tiny, tiny_study
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.errors import SettingsError, StudyIsRunningError
from softmode.records import packing
from softmode.report.build import build_report, record_target
from softmode.report.detail_parts import decoded, parts_of
from softmode.study.comparison import side_by_side
from softmode.study.folder import Study, reopen_study
from softmode.study.packing import pack_study
from softmode.study.results import cell_table, record_index
from softmode.study.run import RunReport, run_study
from softmode.study.sole import runner, sole_run

pytestmark = pytest.mark.usefixtures("unsynced")


@pytest.fixture(scope="module")
def loose(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two metals with a potential that works and one that fails; not to be changed."""
    return again(tiny_dataset, tmp_path_factory.mktemp("loose") / "run")[0]


@pytest.fixture
def folder(loose: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, packed into several packs."""
    copied = Path(shutil.copytree(loose.folder, tmp_path / "run"))
    sizes = sorted(path.stat().st_size for path in (copied / "records").glob("*/*.h5"))
    monkeypatch.setattr(packing, "LARGEST", sum(sizes) // 2)
    assert len(pack_study(copied).packs) > 1
    return copied


def again(dataset: Path, folder: Path) -> tuple[Study, RunReport]:
    return run_tiny(tiny_study(dataset, folder, emt(), factory("nan_emt", "nan"), ids=["Al", "Cu"]))


def keys_of(study: Study) -> set[str]:
    return {key for case in study.cases for key in case.keys.values() if key in study.store}


def test_a_run_finds_packed_records_and_makes_those_of_a_deleted_pack_again(
    loose: Study, folder: Path, tiny_dataset: Path
) -> None:
    study, report = again(tiny_dataset, folder)
    assert (report.total, report.found, report.computed) == (4, 4, 0)
    assert record_contents(study) == {}  # no file of its own
    pack = next((folder / "records" / "packs").glob("*.zip"))
    with ZipFile(pack) as archive:
        gone = {Path(name).stem for name in archive.namelist()}
    pack.unlink()
    study, report = again(tiny_dataset, folder)
    assert report.computed > 0
    made = record_contents(study)
    assert set(made) == gone
    before = record_contents(loose)
    assert made == {key: before[key] for key in gone}


def test_the_report_of_packed_records_is_that_of_loose_ones(
    loose: Study, folder: Path, tmp_path: Path
) -> None:
    plain = reopen_study(Path(shutil.copytree(loose.folder, tmp_path / "plain" / "run")))
    packed = reopen_study(folder)
    pages = [build_report(study) for study in (plain, packed)]
    tables = [sorted((page.parent / "tables").glob("*.csv")) for page in pages]
    assert [path.name for path in tables[0]] == [path.name for path in tables[1]]
    for one, other in zip(*tables, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    assert [decoded(part) for part in parts_of(plain).encoded] == [
        decoded(part) for part in parts_of(packed).encoded
    ]
    of_plain, of_packed = map(document_of, pages)
    said = of_packed["method"].pop()
    assert "softmode pack --undo" in said
    assert of_plain["method"] == of_packed["method"]
    files = [
        (page.parent / record_target(study, page.parent)(study.link("Al", "emt", "harmonic"))).resolve()
        for study, page in zip((plain, packed), pages, strict=True)
    ]
    assert all(file.is_file() for file in files)
    assert [file.parent.name for file in files] == [plain.link("Al", "emt", "harmonic").digest[:2], "packs"]


def test_details_are_not_made_anew_when_records_are_packed(
    loose: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(loose.folder, tmp_path / "run"))
    first = parts_of(reopen_study(folder))
    pack_study(folder)

    def fail(*given: object) -> None:
        raise AssertionError("a record was opened")

    monkeypatch.setattr("softmode.report.detail_parts.open_record", fail)
    assert parts_of(reopen_study(folder)) == first


def test_two_packed_runs_side_by_side(loose: Study, folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(loose.folder, tmp_path / "other"))
    expected = side_by_side(reopen_study(loose.folder), reopen_study(other), ["emt=emt"])
    pack_study(other)
    found = side_by_side(reopen_study(folder), reopen_study(other), ["emt=emt"])
    told = [cell_table(one.study).drop(columns="potential") for one in (expected, found)]
    assert told[0].to_csv() == told[1].to_csv()
    assert len(record_index(found.study)) == len(record_index(expected.study)) > 0


def test_undone_it_is_as_it_was(loose: Study, folder: Path) -> None:
    pack_study(folder, undo=True)
    files = [
        {
            path.relative_to(root): path.read_bytes()
            for path in (root / "records").rglob("*")
            if path.is_file()
        }
        for root in (loose.folder, folder)
    ]
    assert files[0] == files[1]


def test_not_while_it_runs_nor_runs_while_it_is_packed(
    loose: Study, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sole_run(folder), pytest.raises(StudyIsRunningError, match="is being run by process"):
        pack_study(folder, undo=True)
    told: list[str] = []

    def packing_now(*given: object, **named: object) -> None:
        by = runner(folder)
        assert by is not None
        told.append(by.doing)
        run_study(reopen_study(folder))

    monkeypatch.setattr("softmode.study.packing.pack_records", packing_now)
    with pytest.raises(StudyIsRunningError, match="is being packed by process"):
        pack_study(folder)
    assert told == ["packed"]


def test_the_command(loose: Study, tmp_path: Path) -> None:
    def call(*words: object) -> Any:
        found = CliRunner().invoke(app, ["pack", *map(str, words)])
        assert found.exit_code == 0, (found.output, found.exception)
        return found.stdout

    folder = Path(shutil.copytree(loose.folder, tmp_path / "run"))
    n = len(keys_of(loose))
    assert f"pack     {n} records" in call(folder, "--dry-run")
    assert not (folder / "records" / "packs").exists()
    [said] = json.loads(call(folder, "--json"))
    assert (said["folder"], said["records"], said["left"]) == (str(folder), n, 0)
    assert [Path(path).parent for path in said["packs"]] == [folder / "records" / "packs"]
    assert list((folder / "records").iterdir()) == [folder / "records" / "packs"]
    assert call(folder).startswith("packed   0 records")
    assert "from 1 file" in call(folder, "--undo")
    assert keys_of(reopen_study(folder)) == keys_of(loose)
    call(folder)
    [pack] = (folder / "records" / "packs").glob("*.zip")
    content = bytearray(pack.read_bytes())
    content[500] ^= 1  # of the first record
    pack.write_bytes(content)
    assert f"{pack} stays" in CliRunner().invoke(app, ["pack", "--undo", str(folder)]).stderr
    [said] = json.loads(call(folder, "--undo", "--json"))
    assert (said["records"], said["packs"], said["left"], said["kept"]) == (n - 1, [], 1, [str(pack)])
    with pytest.raises(SettingsError, match="holds no study"):
        pack_study(tmp_path)
