from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_study import EMT_NAME, emt, factory, run_tiny, study_toml, tiny_study
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.cli.demo import _fetched
from softmode.errors import SoftmodeError
from softmode.study.results import cell_table

PROMISED = {
    *("material", "formula", "potential", "protocol", "n_q", "rmse_w2_THz2", "rmse_vg_THzA"),
    *("lowest_reference_THz", "lowest_model_THz", "asr_reference", "asr_model", "softening"),
}


def call(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def succeed(*arguments: str | Path) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def process(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command as a shell starts it."""
    start = [sys.executable, "-c", "from softmode.cli.app import main; main()"]
    command = [*start, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_help_lists_the_commands() -> None:
    shown = succeed("--help")
    for command in ("demo", "phonons", "run", "status", "report", "datasets", "potentials"):
        assert command in shown
        assert "Usage" in succeed(command, "--help")


def test_the_version() -> None:
    import importlib.metadata

    assert succeed("--version").strip() == f"softmode {importlib.metadata.version('softmode')}"


@pytest.mark.parametrize("protocol", ["default", "yang2026"])
def test_one_off_figures_are_those_of_a_study(tiny_dataset: Path, tmp_path: Path, protocol: str) -> None:
    arguments = ("--reference", tiny_dataset / "Cu", "--potential", EMT_NAME, "--protocol", protocol)
    shown = json.loads(succeed("phonons", *arguments, "--json"))
    assert shown.keys() >= PROMISED
    assert (shown["material"], shown["formula"], shown["protocol"]) == ("Cu", "Cu", protocol)
    assert shown["potential"] == EMT_NAME
    settings = tiny_study(
        tiny_dataset,
        tmp_path / "o",
        ids=["Cu"],
        protocol={"name": protocol, "points_per_segment": 50, "mesh_length": 60.0},
    )
    assert settings.conditions.protocol.name == protocol
    row = cell_table(run_tiny(settings)[0]).iloc[0]
    for name in ("n_q", "rmse_w2_THz2", "rmse_vg_THzA", "lowest_reference_THz", "softening"):
        assert shown[name] == row[f"path_{name}"]
    assert shown["mesh_rmse_w2_THz2"] == row["mesh_rmse_w2_THz2"]
    assert shown["asr_model"] == row["asr_model_eV_per_A2"]
    assert shown["softening"] == pytest.approx(1.0, abs=1e-6)


def test_one_off_as_a_table_and_a_picture(tiny_dataset: Path, tmp_path: Path) -> None:
    picture = tmp_path / "bands.png"
    arguments = ("--reference", tiny_dataset / "Al", "--potential", "softmode_test_factories:scaled_emt")
    shown = succeed("phonons", *arguments, "--kwargs", '{"factor": 0.5}', "--plot", picture)
    assert "slope of ω²" in shown
    assert "0.5" in shown
    assert picture.read_bytes().startswith(b"\x89PNG")


def a_study(dataset: Path, folder: Path, *potentials: dict[str, Any]) -> Path:
    settings = tiny_study(dataset, folder / "o", *potentials, ids=["Al", "Cu"])
    return study_toml(folder / "study.toml", settings)


def test_run_status_and_report(tiny_dataset: Path, tmp_path: Path) -> None:
    study_file = a_study(tiny_dataset, tmp_path, emt(), factory("raising_emt", "broken [/red]"))
    result = call("run", study_file)
    assert result.exit_code == 3, (result.output, result.exception)
    shown = " ".join(result.stdout.split())
    assert "4 cells: 0 were there, 4 computed now, 2 of these failed" in shown
    page = tmp_path / "o" / "report" / "index.html"
    assert str(page) in shown
    assert page.is_file()
    assert "failed Al (Al) × broken [/red]: broken [/red]: failed on configuration 0" in result.stderr
    assert "the sum [/of] all [red] fears" in result.stderr

    result = call("run", study_file)
    assert result.exit_code == 3, (result.output, result.exception)
    again = " ".join(result.stdout.split())
    assert "4 cells: 4 were there, 0 computed now, 0 of these failed 2 failed in an earlier run" in again
    assert "failed Al × broken [/red]: broken [/red]: failed on configuration 0" in again
    assert result.stderr == ""

    status = succeed("status", tmp_path / "o")
    rows = [line.split("│")[1:-1] for line in status.splitlines() if line.startswith("│")]
    counts = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert counts == {"emt": ["2", "0", "0", "4"], "broken [/red]": ["0", "2", "0", "4"]}
    assert "failed Cu × broken [/red]:" in status

    page.unlink()
    shown = succeed("report", tmp_path / "o")
    assert str(page) in shown
    assert page.is_file()


def strict(text: str) -> Any:
    """JSON without NaN and infinities."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_run_and_status_as_json(tiny_dataset: Path, tmp_path: Path) -> None:
    study_file = a_study(tiny_dataset, tmp_path, emt(), factory("raising_emt", "broken"))
    folder = tmp_path / "o"
    for found, computed in ((0, 4), (4, 0)):
        result = call("run", study_file, "--json")
        assert result.exit_code == 3, (result.output, result.exception)
        said = strict(result.stdout)
        assert said["name"] == "tiny"
        assert said["cells"] == {
            "total": 4,
            "found": found,
            "computed": computed,
            "failed": computed // 2,
            "without_result": 2,
        }
        assert [(item["material"], item["potential"]) for item in said["failures"]] == [
            ("Al", "broken"),
            ("Cu", "broken"),
        ]
        assert "all [red] fears" in said["failures"][0]["failure"]
        assert (said["unstored"], said["records"]) == ([], str(folder / "records"))
        assert said["report"] == str(folder / "report" / "index.html")
        words = {one["topic"]: one["text"] for one in said["verdict"]}
        assert words["lead"].startswith("On Al and Cu alone: median RMSE(ω²), THz², ")
        assert words["failures"].startswith("2 of 4 cells failed: 2 × ")
    said = strict(succeed("status", folder, "--json"))
    assert said["potentials"] == [
        {"potential": "emt", "done": 2, "failed": 0, "to_compute": 0, "force_calls": 4},
        {"potential": "broken", "done": 0, "failed": 2, "to_compute": 0, "force_calls": 4},
    ]
    assert len(said["failures"]) == 2
    assert said["steps_of_dynamics"] == {"made": 0, "total": 0}


def test_a_run_without_failures_is_status_0(tiny_dataset: Path, tmp_path: Path) -> None:
    study_file = a_study(tiny_dataset, tmp_path, emt())
    said = strict(succeed("run", study_file, "--json"))
    assert (said["cells"]["computed"], said["failures"]) == (2, [])


def test_a_demo_of_a_potential_that_cannot_do_it_is_status_3(tmp_path: Path) -> None:
    result = call("demo", "--output", tmp_path / "demo", "--potential", EMT_NAME, "--json")
    assert result.exit_code == 3, (result.output, result.exception)
    said = strict(result.stdout)
    assert said["cells"]["without_result"] == said["cells"]["total"] == 1
    assert said["failures"][0]["potential"] == EMT_NAME


def test_of_many_earlier_failures_a_few_are_repeated(own_dataset: Path, tmp_path: Path) -> None:
    potentials = [factory("raising_emt", f"broken{i}") for i in range(3)]
    settings = tiny_study(own_dataset, tmp_path / "o", *potentials)
    study_file = study_toml(tmp_path / "study.toml", settings)
    first, again = call("run", study_file), call("run", study_file)
    assert first.stderr.count("failed ") >= 9
    assert "earlier run" not in first.stdout
    assert "9 failed in an earlier run" in again.stdout
    assert again.stdout.count("× broken") == 5
    assert f"… and 4 more: softmode status {tmp_path / 'o'}" in again.stdout


def test_status_shows_dynamics_under_way(tiny_dataset: Path, tmp_path: Path) -> None:
    from softmode.study.folder import open_study

    md = {"steps": 300, "checkpoint_every": 100, "replicas": 2}
    study = open_study(
        tiny_study(tiny_dataset, tmp_path / "o", ids=["Cu"], measurements=["model_only"], md=md)
    )
    [cell] = study.cases
    folder = study.store.partial(cell.keys["md"]).folder / "replica_1"
    folder.mkdir(parents=True)
    (folder / "piece_00000.h5").write_bytes(b"as far as it is")
    assert "steps of dynamics under way: 100 of 600 are made" in succeed("status", tmp_path / "o")
    assert strict(succeed("status", tmp_path / "o", "--json"))["steps_of_dynamics"] == {
        "made": 100,
        "total": 600,
    }


def test_options_of_run_override_the_file(tiny_dataset: Path, tmp_path: Path) -> None:
    study_file = a_study(tiny_dataset, tmp_path, emt())
    succeed("run", study_file, "--output", tmp_path / "elsewhere", "--workers", "1")
    assert (tmp_path / "elsewhere" / "study.json").is_file()
    assert not (tmp_path / "o").exists()
    assert json.loads((tmp_path / "elsewhere" / "study.json").read_text())["run"]["workers"] == 1


def test_a_dry_run_says_what_is_to_be_done_and_does_nothing(tiny_dataset: Path, tmp_path: Path) -> None:
    study_file = a_study(tiny_dataset, tmp_path, emt())
    [row] = [line for line in succeed("run", study_file, "--dry-run").splitlines() if "emt" in line]
    assert row.split()[:5] == ["emt", "2", "0", "6", "4"]
    assert not (tmp_path / "o" / "records").exists()
    assert not (tmp_path / "o" / "report").exists()
    said = strict(succeed("run", study_file, "--dry-run", "--json"))
    assert said["materials"] == 2
    [potential] = said["potentials"]
    assert potential["records"] == {"displaced_forces": 2, "harmonic": 2, "modes": 2}
    assert potential["seconds"] == said["seconds"] * said["workers"] > 0.0
    assert said["core_hours"] * 3600 == pytest.approx(potential["seconds"])


def test_init_writes_a_study_and_replaces_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from softmode.study.settings import load_study

    monkeypatch.chdir(tmp_path)
    assert "softmode run mine.toml" in succeed("init", "mine.toml")
    settings = load_study(tmp_path / "mine.toml")
    assert (settings.name, settings.output) == ("mine", tmp_path / "runs" / "mine")
    assert "softmode run mine.toml" in (tmp_path / "mine.toml").read_text(encoding="utf-8")
    before = (tmp_path / "mine.toml").read_bytes()
    refused = call("init", "mine.toml")
    assert isinstance(refused.exception, SoftmodeError)
    assert str(refused.exception).startswith("mine.toml: exists already")
    assert (tmp_path / "mine.toml").read_bytes() == before
    succeed("init")
    assert load_study(tmp_path / "study.toml").name == "study"


def test_what_init_writes_runs(tiny_dataset: Path, tmp_path: Path) -> None:
    succeed("init", tmp_path / "study.toml")
    text = (tmp_path / "study.toml").read_text(encoding="utf-8")
    text = text.replace('kind = "example"', f'kind = "phonopy"\npath = "{tiny_dataset}"')
    text = text.replace('name = "chgnet"', f'name = "{EMT_NAME}"').replace("#ids = []", 'ids = ["Cu"]')
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    assert "1 cells: 0 were there, 1 computed now, 0 of these failed" in succeed(
        "run", tmp_path / "study.toml", "--workers", "1"
    )


def test_status_of_a_study_that_has_not_begun(tiny_dataset: Path, tmp_path: Path) -> None:
    from softmode.study.folder import open_study

    open_study(tiny_study(tiny_dataset, tmp_path / "o"))
    [row] = [line for line in succeed("status", tmp_path / "o").splitlines() if "emt" in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["emt", "0", "0", "3", "0"]


def test_datasets_are_listed() -> None:
    known = json.loads(succeed("datasets", "--json"))
    assert {info["name"] for info in known} == {
        "phonondb",
        "hdp",
        "phonopy",
        "example",
        "vibes",
        "structures",
    }
    for info in known:
        assert info["holds"]
        assert info["citation"]
        assert info["licence"]
    shown = succeed("datasets")
    for info in known:
        assert info["name"] in shown


def test_materials_of_a_dataset_are_listed(own_dataset: Path) -> None:
    (own_dataset / "Au" / "POSCAR").write_text("nothing [/red]")
    listed = json.loads(succeed("datasets", "phonopy", "--path", own_dataset, "--json"))
    assert [item["name"] for item in listed] == ["Al", "Au", "Cu"]
    assert listed[0]["formula"] == "Al"
    assert listed[0]["n_supercell_atoms"] == 8
    assert "POSCAR" in listed[1]["error"]
    shown = succeed("datasets", "phonopy", "--path", own_dataset)
    assert "3 materials" in shown
    assert "unreadable" in shown


def bad_calls(dataset: Path, folder: Path) -> dict[str, tuple[Sequence[str | Path], str]]:
    """Arguments, and what the error must name."""
    unknown_key = folder / "unknown.toml"
    unknown_key.write_text('[dataset]\nkind = "example"\n[[potential]]\nname = "chgnet"\n[run]\nworkes = 1\n')
    phonons = ("phonons", "--reference", dataset / "Cu", "--potential")
    return {
        "no study file": (("run", folder / "none.toml"), "none.toml"),
        "unknown key": (("run", unknown_key), "did you mean 'workers'"),
        "no study": (("status", folder), "holds no study"),
        "no study to report": (("report", folder), "holds no study"),
        "no such reference": (("phonons", "--reference", folder / "x", "--potential", EMT_NAME), "/x"),
        "many materials": (("phonons", "--reference", dataset, "--potential", EMT_NAME), "3 materials"),
        "unknown potential": ((*phonons, "chgnett"), "chgnet"),
        "unknown protocol": ((*phonons, EMT_NAME, "--protocol", "yang"), "yang2026"),
        "bad kwargs": ((*phonons, EMT_NAME, "--kwargs", "{"), "options"),
        "bad dtype": ((*phonons, EMT_NAME, "--dtype", "float16"), "float64"),
        "bad picture": ((*phonons, EMT_NAME, "--plot", folder / "x.bmp"), "x.bmp"),
        "no folder for the picture": (
            (*phonons, EMT_NAME, "--plot", unknown_key / "x.png"),
            "cannot be written",
        ),
        "raising": ((*phonons, "softmode_test_factories:raising_emt"), "all [red] fears"),
        "unknown dataset": (("datasets", "phonodb"), "phonondb"),
        "no path": (("datasets", "phonondb"), "no path is given"),
    }


CASES = (
    *("no study file", "unknown key", "no study", "no study to report", "no such reference"),
    *("many materials", "unknown potential", "unknown protocol", "bad kwargs", "bad dtype"),
    *("bad picture", "no folder for the picture", "raising", "unknown dataset", "no path"),
)


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any, case: str
) -> None:
    from softmode.cli.app import main

    arguments, named = bad_calls(tiny_dataset, tmp_path)[case]
    monkeypatch.setattr(sys, "argv", ["softmode", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capfd.readouterr()
    assert caught.value.code == 1
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert named in err
    assert "Traceback" not in err


def test_errors_of_a_true_process(tmp_path: Path) -> None:
    done = process("run", tmp_path / "none [/x].toml")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"error: {tmp_path}/none [/x].toml: cannot be read (No such file or directory). "
        "Give an existing study file.\n"
    )


def test_a_true_process_leaves_json_alone_on_standard_output(
    tiny_dataset: Path, importable_helpers: None
) -> None:
    done = process("phonons", "--reference", tiny_dataset / "Cu", "--potential", EMT_NAME, "--json")
    assert done.returncode == 0
    said = json.loads(done.stdout)
    assert said["material"] == "Cu"
    assert "none of these reference data is in the packaged" in said["leaderboard"]["why_not"]
    assert done.stderr == ""


def test_errors_leave_json_to_others() -> None:
    done = process("run", "none.toml", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: none.toml: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores of a process cannot be chosen here")
def test_figures_do_not_depend_on_cores_and_variables(
    tiny_dataset: Path, importable_helpers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("phonons", "--reference", tiny_dataset / "Cu", "--potential", EMT_NAME, "--json")
    shown = []
    mine = os.sched_getaffinity(0)
    try:
        for cores, threads in (({min(mine)}, "1"), (mine, "2")):
            os.sched_setaffinity(0, cores)
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
            monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
            done = process(*arguments)
            assert done.returncode == 0, done.stderr
            shown.append(json.loads(done.stdout))
    finally:
        os.sched_setaffinity(0, mine)
    first, second = ({name: value for name, value in one.items() if name != "seconds"} for one in shown)
    assert first == second


def test_misuse_of_options_is_status_2() -> None:
    assert call("phonons").exit_code == 2
    assert call("run", "x.toml", "--workers", "0").exit_code == 2
    assert call("nonsense").exit_code == 2


def test_errors_reach_library_users_as_exceptions(tmp_path: Path) -> None:
    result = call("status", tmp_path)
    assert isinstance(result.exception, SoftmodeError)


def test_the_demo_goes_on_without_a_potential_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOFTMODE_CACHE", str(tmp_path))
    monkeypatch.setenv("SOFTMODE_WEIGHTS_URL", "http://127.0.0.1:9")
    assert _fetched() == ()
    assert "without nequix-mp-1: " in capsys.readouterr().err


@pytest.mark.real_potential
def test_the_demo(tmp_path: Path) -> None:
    pytest.importorskip("chgnet")
    done = process("demo", "--output", tmp_path / "demo", "--potential", "chgnet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = tmp_path / "demo" / "report" / "index.html"
    assert str(page) in done.stdout
    assert "Cs2AgBiBr6" in page.read_text(encoding="utf-8")
    assert "0 of these failed" in done.stdout
    said = " ".join(done.stdout.split())
    assert re.search(r"On Cs2AgBiBr6 alone: RMSE\(ω²\), THz², 3\.\d+ by chgnet\.", said)
    assert re.search(r"packaged potentials on this crystal: chgnet 11 of 11\.", said)
    assert "Harmonically, the reference finds Cs2AgBiBr6 unstable (so does chgnet)" in said
    assert re.search(r"15 frames, too few for an interval: 0\.839 .* 1\.10\d by chgnet", said)
    assert "not the published 0.336 of DFT's own run" in said


def test_a_study_goes_on_from_its_folder_with_more_measurements(tiny_dataset: Path, tmp_path: Path) -> None:
    study_file = a_study(tiny_dataset, tmp_path, emt(measurements=["harmonic"]))
    succeed("run", study_file)
    folder = tmp_path / "o"
    succeed("run", folder, "--also", "model_phonons")
    content = json.loads((folder / "study.json").read_text())
    assert content["measurements"][-1] == "model_phonons"
    assert content["potential"][0]["measurements"] == ["harmonic", "model_phonons"]
    result = call("run", folder, "--only", "Al")
    assert result.exit_code != 0
    assert "--output" in str(result.exception)
