from __future__ import annotations

import hashlib
import importlib.util
import os
import pickle
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.data import chemical_symbols
from pydantic import ValidationError
from weight_server import Answer, WeightServer

from softmode.errors import (
    CorruptWeightsError,
    MissingDependencyError,
    MissingWeightsError,
    PotentialError,
    SettingsError,
)
from softmode.potentials import (
    PAPER_MODELS,
    PotentialSettings,
    WeightsStatus,
    describe,
    known_potentials,
    resolve,
    weights_status,
)
from softmode.potentials.family import MATERIALS_PROJECT_ELEMENTS
from softmode.potentials.mace import FAMILY as MACE
from softmode.potentials.registry import find, find_entry
from softmode.potentials.weights import cached_path

EMT = "ase.calculators.emt:EMT"
LJ = "ase.calculators.lj:LennardJones"


def fake_spec(monkeypatch: pytest.MonkeyPatch, module: str, spec: Any) -> None:
    true_find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *args: spec if name == module else true_find(name, *args)
    )


# --- the catalogue ---------------------------------------------------------------------------------


def test_every_mace_key_is_a_known_name_with_the_url_of_the_installed_mace() -> None:
    foundations = pytest.importorskip("mace.calculators.foundations_models")
    for key, url in foundations.mace_mp_urls.items():
        entry = find_entry(key)
        assert entry is not None
        assert entry.url == url
    assert {entry.url for entry in MACE.entries} == set(foundations.mace_mp_urls.values())


def test_no_name_is_used_twice() -> None:
    names = [info.name for info in known_potentials()]
    assert len(set(names)) == len(names) == 42


def test_the_paper_models_are_as_its_table_says() -> None:
    published = Path(__file__).parents[3] / "shared" / "published" / "yang2026.toml"
    if not published.is_file():
        pytest.skip("the figures of the paper are not here")
    models = tomllib.loads(published.read_text())["model"]
    assert tuple(model["name"] for model in models) == PAPER_MODELS
    for model in models:
        info, by_key = describe(model["name"]), describe(model["mace_torch_key"])
        assert info == by_key
        assert info.name == model["name"]
        assert len(info.elements) == model["elements"]
        assert (info.training_data, info.level_of_theory) == (model["training"], model["theory"])


def test_every_description_is_complete() -> None:
    for info in known_potentials():
        assert info.licence != "unknown"
        assert info.citation
        assert info.training_data != "unknown"
    assert len(MATERIALS_PROJECT_ELEMENTS) == 89
    assert list(MATERIALS_PROJECT_ELEMENTS) == [
        symbol for symbol in chemical_symbols if symbol in MATERIALS_PROJECT_ELEMENTS
    ]
    assert not {"Po", "At", "Rn", "Fr", "Ra", "Am"} & set(MATERIALS_PROJECT_ELEMENTS)


@pytest.mark.parametrize(("name", "words"), [("chgnet", "Modified BSD"), ("7net-0", "GNU GENERAL PUBLIC")])
def test_the_licence_is_that_of_the_installed_package(name: str, words: str) -> None:
    known = find(name)
    assert known is not None
    assert known[0].package is not None
    try:
        found = metadata(known[0].package.distribution)["License"]
    except PackageNotFoundError:
        pytest.skip("not installed")
    assert words in found


@pytest.mark.parametrize(
    ("name", "near"),
    [("chgnett", "chgnet"), ("mp-0b3", "mp-0b3-medium"), ("OMAT-0-Medum", "omat-0-medium")],
)
def test_an_unknown_name_comes_with_near_ones(name: str, near: str) -> None:
    with pytest.raises(SettingsError, match=rf"'{name}'.*mean.*{near}.*softmode potentials"):
        resolve(name)


@pytest.mark.parametrize("name", ["xxxxxxxxxxxx", "qqqq-3", "wholly-other"])
def test_a_name_like_no_other_points_to_the_list(name: str) -> None:
    with pytest.raises(SettingsError, match=r"\. See `softmode potentials`"):
        describe(name)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("CHGNet", "chgnet"),
        ("CHGNET", "chgnet"),
        ("7Net-0", "7net-0"),
        ("SevenNet_0", "7net-0"),
        ("sevennet-0", "7net-0"),
        ("mace-mp-0", "medium"),
        ("MACE-MP-0", "medium"),
        ("MACE_MP_0", "medium"),
        ("mace mp 0b3", "mp-0b3-medium"),
        ("MACE-MPA-0", "mpa-0-medium"),
        ("mace-omat-0-medium", "omat-0-medium"),
        ("OMAT-0-Medium", "omat-0-medium"),
        ("MACE-matpes-pbe-omat-ft", "matpes-pbe-omat-ft"),
    ],
)
def test_names_are_forgiving(spelling: str, name: str) -> None:
    assert describe(spelling).name == name
    assert find_entry(spelling) == find_entry(name)


def test_files_that_are_not_there_or_of_no_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        describe("weights/some.pth")
    for name in ("notes.txt", "chgnet.pth"):
        (tmp_path / name).write_text("nothing")
        with pytest.raises(SettingsError, match="not recognised as a model of any family") as caught:
            describe(str(tmp_path / name))
        assert "Did you mean" not in str(caught.value)


def test_a_model_file_is_recognised_whatever_its_name(tmp_path: Path, small_mace_path: Path) -> None:
    path = tmp_path / "20231203mace128L1_epoch199model"
    path.write_bytes(small_mace_path.read_bytes())
    assert resolve(str(path)).digest == resolve(str(small_mace_path)).digest


def test_only_files_named_like_a_model_are_unpickled(tmp_path: Path, small_mace_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(small_mace_path.read_bytes())
    with pytest.raises(SettingsError, match="not recognised as a model of any family"):
        resolve(str(path))
    with pytest.raises(SettingsError, match="is not named like a weight file of MACE"):
        resolve(PotentialSettings(name="medium-mpa-0", weights=path))


def test_code_of_ones_own_is_called_code_once(
    tmp_path: Path, small_mace_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "softmode_test_own.py").write_text("from ase.calculators.emt import EMT")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("SOFTMODE_TRUST", raising=False)

    def said(**settings: Any) -> list[str]:
        monkeypatch.setattr("softmode.potentials.trust._announced", set())
        caplog.clear()
        for _ in range(2):
            resolve(PotentialSettings(**settings))
        return [record.getMessage() for record in caplog.records]

    model = str(small_mace_path)
    [message] = said(name=model)
    assert message.startswith(f"the weight file {model} can do all that you can")
    assert "--trust" in message
    [message] = said(name="softmode_test_own:EMT")
    assert message.startswith("the Python module of softmode_test_own:EMT can do all that you can")
    assert said(name=model, trust=True) == []
    assert said(name=model, sha256=hashlib.sha256(small_mace_path.read_bytes()).hexdigest()) == []
    assert said(name=EMT) == []
    assert said(name="chgnet") == []
    monkeypatch.setenv("SOFTMODE_TRUST", "1")
    assert said(name=model) == []


# --- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"nam": "chgnet"},
        {"name": ""},
        {"name": "chgnet", "dtype": "float16"},
        {"name": "chgnet", "device": "gpu"},
        {"name": "chgnet", "sha256": "abc"},
        {"name": EMT, "elements": ["Cu", "Xx"]},
    ],
)
def test_settings_of_the_wrong_form_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PotentialSettings.model_validate(wrong)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"name": "chgnet", "dtype": "float64"}, "cannot run in float64"),
        ({"name": "7net-0", "dtype": "float64"}, "cannot run in float64"),
        ({"name": EMT, "dtype": "float32"}, "cannot run in float32"),
        ({"name": "chgnet", "kwargs": {"head": "x"}}, "kwargs has head.*none"),
        ({"name": "mpa-0-medium", "kwargs": {"haed": "x"}}, "kwargs has haed.*head"),
        ({"name": "chgnet", "elements": ["H"]}, "elements"),
        ({"name": EMT, "device": "cuda"}, "no meaning"),
        ({"name": EMT, "weights": "x.model"}, "no meaning"),
        ({"name": "a.model", "weights": "b.model"}, "both paths"),
    ],
)
def test_settings_that_do_not_fit_are_refused_not_ignored(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        resolve(PotentialSettings.model_validate(settings))


def test_the_label_is_the_name_in_tables() -> None:
    assert describe(PotentialSettings(name=EMT, label="EMT")).name == "EMT"
    assert describe(EMT).name == EMT


# --- weights on this machine -----------------------------------------------------------------------


def test_status_of_weights(tmp_path: Path, isolated_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mace")
    assert weights_status(EMT) is WeightsStatus.NOT_NEEDED
    assert weights_status("mpa-0-medium") is WeightsStatus.DOWNLOADABLE
    isolated_cache.mkdir(parents=True)
    entry = find_entry("mpa-0-medium")
    assert entry is not None
    assert entry.url is not None
    cached_path(entry.url).write_bytes(b"x")
    assert weights_status("mpa-0-medium") is WeightsStatus.CACHED
    assert weights_status(str(tmp_path / "my.model")) is WeightsStatus.FILE_MISSING
    (tmp_path / "my.model").write_bytes(b"x")
    assert weights_status(str(tmp_path / "my.model")) is WeightsStatus.FILE
    fake_spec(monkeypatch, "mace", None)
    assert weights_status("mpa-0-medium") is WeightsStatus.NOT_INSTALLED


@pytest.mark.parametrize(
    ("name", "module", "family"), [("chgnet", "chgnet", "CHGNet"), ("7net-0", "sevenn", "SevenNet")]
)
def test_a_package_that_is_not_installed_is_named_with_the_remedy(
    name: str, module: str, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec(module):
        assert weights_status(name) is WeightsStatus.PACKAGED
    fake_spec(monkeypatch, module, None)
    assert weights_status(name) is WeightsStatus.NOT_INSTALLED
    with pytest.raises(MissingDependencyError, match=rf"{name}: .*softmode potentials install {family}"):
        resolve(name)


def test_a_paper_model_is_downloaded_loaded_and_evaluated(
    weight_server: WeightServer, small_mace_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight_server.answers["mace-mp-0b3-medium.model"] = Answer(small_mace_path.read_bytes())
    resolved = resolve("mp-0b3-medium")
    assert weights_status("mp-0b3-medium") is WeightsStatus.CACHED
    potential = pickle.loads(pickle.dumps(resolved)).load()
    assert potential.info.name == "mp-0b3-medium"
    assert potential.info.elements == ("Na", "Cl")  # of the model itself, not of the catalogue
    assert potential.dtype == "float64"
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.rattle(0.1, seed=1)
    by_path = resolve(str(small_mace_path))
    np.testing.assert_array_equal(
        potential.evaluate([atoms]).forces[0], by_path.load().evaluate([atoms]).forces[0]
    )
    # the same weights under another name are the same potential
    monkeypatch.setenv("SOFTMODE_WEIGHTS_URL", "http://127.0.0.1:9")
    assert resolve("medium-0b3").digest == resolved.digest == by_path.digest


def test_weights_of_ones_own_take_the_place_of_the_catalogues(small_mace_path: Path) -> None:
    resolved = resolve(PotentialSettings(name="omat-0-medium", weights=small_mace_path))
    assert resolved.weights_path == small_mace_path
    assert str(small_mace_path) in resolved.info.notes


def test_missing_weights_offline_name_url_and_file(isolated_cache: Path) -> None:
    pytest.importorskip("mace")
    with pytest.raises(MissingWeightsError) as caught:
        resolve("omat-0-medium")
    assert "mace-omat-0-medium.model" in str(caught.value)
    assert str(isolated_cache / "mace-omat-0-medium.model") in str(caught.value)
    assert caught.value.transient


def test_weights_that_change_or_vanish_after_resolving_are_noticed(
    tmp_path: Path, small_mace_path: Path
) -> None:
    path = tmp_path / "mine.model"
    path.write_bytes(small_mace_path.read_bytes())
    resolved = resolve(str(path))
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CorruptWeightsError, match="changed since"):
        resolved.load()
    path.unlink()
    with pytest.raises(MissingWeightsError, match=r"mine\.model"):
        resolved.load()


def test_a_pin_is_held_against_a_path(small_mace_path: Path) -> None:
    with pytest.raises(CorruptWeightsError, match="is asked for"):
        resolve(PotentialSettings(name=str(small_mace_path), sha256="f" * 64))


# --- the digest ------------------------------------------------------------------------------------


def test_the_digest_follows_what_determines_results(small_mace_path: Path) -> None:
    name = str(small_mace_path)

    def digest(**settings: Any) -> str:
        return resolve(PotentialSettings(name=name, **settings)).digest

    base = digest()
    assert digest(label="another name") == base
    assert digest(kwargs={"max_atoms_per_batch": 3}) == base
    assert digest(dtype="float64") == base
    assert digest(device="cuda:1") == digest(device="cuda")
    different = {base, digest(dtype="float32"), digest(device="cuda"), digest(kwargs={"head": "Default"})}
    assert len(different) == 4


def test_the_digest_of_a_factory_follows_its_arguments_and_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve(EMT).digest != resolve(LJ).digest
    assert (
        resolve(PotentialSettings(name=LJ, kwargs={"sigma": 1})).digest
        != resolve(PotentialSettings(name=LJ, kwargs={"sigma": 2})).digest
    )
    assert resolve(EMT).source_sha256 is None
    package = tmp_path / "softmode_test_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('must not be imported to resolve')")
    module = package / "calculators.py"
    module.write_text("from ase.calculators.emt import EMT")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = resolve("softmode_test_package.calculators:EMT")
    module.write_text("from ase.calculators.emt import EMT  # changed")
    after = resolve("softmode_test_package.calculators:EMT")
    assert before.source_sha256 is not None
    assert before.digest != after.digest


# --- quiet and quick -------------------------------------------------------------------------------

LIBRARIES = ("torch", "mace", "chgnet", "sevenn", "pymatgen")


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120, check=True
    )


def test_listing_and_resolving_import_no_model_library(small_mace_path: Path) -> None:
    code = f"""
import sys
from softmode.potentials import *
for info in known_potentials():
    status = weights_status(info.name)
    if status == "packaged":
        resolve(info.name)
resolve({str(small_mace_path)!r}).digest
print(sorted(set({LIBRARIES!r}) & set(sys.modules)))
"""
    assert run_python(code).stdout == "[]\n"


@pytest.mark.real_potential
def test_loading_and_evaluating_is_silent_in_a_fresh_process(small_mace_path: Path) -> None:
    names = [name for name in ("chgnet", "7net-0") if weights_status(name) is WeightsStatus.PACKAGED]
    code = f"""
from ase.build import bulk
from ase.data import chemical_symbols
from softmode.potentials import resolve
atoms = bulk("NaCl", "rocksalt", a=5.6)
for name in {[*names, str(small_mace_path)]!r}:
    potential = resolve(name).load()
    potential.evaluate([atoms])
    atoms.calc = potential.calculator()
import logging
assert logging.getLogger().handlers == []
"""
    result = run_python(code)
    assert result.stdout == ""
    assert result.stderr == ""


@pytest.mark.parametrize("device", ["cuda:99", "xpu:99"])
def test_a_device_that_is_not_there_is_named(small_mace_path: Path, device: str) -> None:
    with pytest.raises(PotentialError, match=f"device {device}"):
        resolve(PotentialSettings(name=str(small_mace_path), device=device)).load()
