"""Maps in a study: records against dscribe and brute force, keys, interruption, bad input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from cases import view_in
from dscribe.descriptors import SOAP
from dscribe.kernels import REMatchKernel
from moving_metals import MOVING, moving, supercell, write_moving_metal
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr
from tiny_study import emt, record_contents, record_times, run_tiny, tiny_study

from softmode.configurations import KernelSettings, SoapSettings
from softmode.configurations.kernel import plan_tiles
from softmode.crystal import Trajectory
from softmode.errors import InputDataError, SettingsError
from softmode.measurements import Facts
from softmode.measurements.conditions import Conditions
from softmode.measurements.map import MapSettings
from softmode.measurements.map import kernel as map_kernel
from softmode.measurements.map.kernel import make_kernel
from softmode.measurements.map.measurement import configuration_map, map_points, map_structures
from softmode.measurements.md import DynamicsSettings
from softmode.measurements.plan import record_inputs
from softmode.records import Partial, Record
from softmode.study.folder import Study
from softmode.study.settings import StudySettings

FloatArray = NDArray[np.float64]

SMALL = {"r_cut": 4.0, "n_max": 4, "l_max": 3, "sigma": 0.4}
SOAP_SETTINGS = SoapSettings(**SMALL)
MD = {"steps": 240, "sample_every": 2, "discard": 40}
N_REFERENCE = 60


def settings_of(root: Path, output: str, **more: object) -> StudySettings:
    return tiny_study(
        root / "data",
        root / output,
        emt(),
        options=MOVING,
        measurements=["map"],
        md=MD,
        map={"soap": SMALL, "model_every": 2, **more},
    )


@dataclass(frozen=True)
class Mapped:
    root: Path
    study: Study
    records: dict[str, Record]

    @property
    def map(self) -> Record:
        return self.records["map"]

    @property
    def dissimilarities(self) -> FloatArray:
        return np.asarray(squareform(self.map.arrays["map_dissimilarities"].astype(float)))


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    """Al: independent random frames as reference, EMT's own dynamics; not to be changed."""
    root = tmp_path_factory.mktemp("map")
    write_moving_metal(root / "data" / "Al", "Al", n_frames=N_REFERENCE, amplitude=0.08)
    study, report = run_tiny(settings_of(root, "o"))
    assert (report.computed, report.failed) == (1, 0)
    return Mapped(root, study, study.records(study.cases[0], with_arrays=True))


def trajectory(symbol: str = "Al", n_frames: int = 30, amplitude: float = 0.05, seed: int = 1) -> Trajectory:
    motion = moving(symbol, n_frames, amplitude, seed)
    return Trajectory(
        lattice=motion.rest.cell.array,
        numbers=motion.rest.numbers,
        positions=motion.positions,
        forces=motion.forces,
        source=f"{symbol} {seed}",
    )


def test_which_frames_are_mapped(mapped: Mapped) -> None:
    """All of the reference, and of each replica every other frame after those discarded."""
    arrays, md = mapped.map.arrays, mapped.records["md"].arrays
    steps = np.split(md["steps"], np.cumsum(md["run_lengths"])[:-1])
    kept = [np.flatnonzero(run > MD["discard"])[::2] for run in steps]
    chosen = np.concatenate([kept[0], kept[1] + len(steps[0])])
    n_model = len(chosen)
    assert arrays["map_cloud"].tolist() == [0] * N_REFERENCE + [1] * n_model
    assert mapped.map.values["map_n_frames"] == [N_REFERENCE, n_model]
    truth = moving("Al", N_REFERENCE, 0.08)
    np.testing.assert_allclose(arrays["map_positions"][:N_REFERENCE], truth.positions, atol=1e-6)
    np.testing.assert_allclose(arrays["map_positions"][N_REFERENCE:], md["positions"][chosen], atol=1e-5)
    assert arrays["map_run"][N_REFERENCE:].tolist() == [0] * len(kept[0]) + [1] * len(kept[1])


def test_kernel_is_dscribes(mapped: Mapped) -> None:
    """Within a hundredth of the spread of 1 - K, which is what fast mode promises."""
    arrays = mapped.map.arrays
    frames = np.array([0, 7, 30, 59, 60, 75, 100, 130])
    atoms = supercell("Al")
    soap = SOAP(species=["Al"], periodic=True, **SMALL)
    features = []
    for positions in arrays["map_positions"][frames].astype(float):
        atoms.positions = positions
        features.append(soap.create(atoms))
    features = [f / np.linalg.norm(f, axis=1, keepdims=True) for f in features]
    kernel = REMatchKernel(metric="linear", alpha=1.0, threshold=1e-14, normalize_kernel=True)
    expected = 1.0 - kernel.create(features)
    found = mapped.dissimilarities[np.ix_(frames, frames)]
    assert np.abs(found - expected).max() < 0.01 * mapped.map.values["map_kernel_spread"]
    assert mapped.map.values["map_kernel_largest_error"] < 0.01 * mapped.map.values["map_kernel_spread"]


def test_sigma_of_both_sides(mapped: Mapped) -> None:
    found, records = mapped.map, mapped.records
    kept = np.concatenate(
        [np.arange(n) % 2 == 0 for n in records["model_only"].arrays["model_only_run_lengths"]]
    )
    reference = records["sigma"].arrays["sigma_t_reference"]
    model = records["model_only"].arrays["sigma_t_model_only"][kept]
    np.testing.assert_array_equal(found.arrays["map_sigma_t"], np.concatenate([reference, model]))
    values = found.values
    assert values["map_sigma_error"] == pytest.approx(model.mean() - reference.mean())
    foreign = found.arrays["map_foreignness"][N_REFERENCE:] > values["map_foreign_threshold"]
    assert values["map_foreign_share"] == pytest.approx(foreign.mean())
    assert values["map_sigma_foreign"] == pytest.approx(model[foreign].mean())
    if (~foreign).any():
        assert values["map_sigma_shared"] == pytest.approx(model[~foreign].mean())
        assert values["map_sigma_error_without_foreign"] == pytest.approx(
            model[~foreign].mean() - reference.mean()
        )
    expected = spearmanr(found.arrays["map_foreignness"][N_REFERENCE:], model).statistic
    assert values["map_spearman"] == pytest.approx(expected)


def test_points_and_overlap_by_brute_force(mapped: Mapped) -> None:
    """Components are those of double centring; the biased MMD² is the distance of the centres."""
    d, arrays = mapped.dissimilarities, mapped.map.arrays
    n = len(d)
    centring = np.eye(n) - 1.0 / n
    eigenvalues, vectors = np.linalg.eigh(-centring @ d @ centring)
    for component in range(2):
        expected = vectors[:, -1 - component] * np.sqrt(eigenvalues[-1 - component])
        point = arrays["map_coordinates"][:, component]
        sign = np.sign(expected @ point)
        np.testing.assert_allclose(point, sign * expected, atol=1e-3 * np.abs(expected).max())
    reference, model = slice(0, N_REFERENCE), slice(N_REFERENCE, n)
    biased = 2 * d[reference, model].mean() - d[reference, reference].mean() - d[model, model].mean()
    assert mapped.map.values["map_mmd2_biased"] == pytest.approx(biased, rel=1e-4)


def test_what_is_read_from_a_record(mapped: Mapped) -> None:
    points = map_points(mapped.map, "mine")
    assert points.labels == ("reference", "mine")
    assert points.has_sigma
    reference, model = map_structures(mapped.map)
    assert (reference.n_frames, model.n_frames) == tuple(mapped.map.values["map_n_frames"])
    assert reference.numbers.tolist() == [13] * 8


def test_keys_of_other_records_do_not_know_of_maps() -> None:
    facts = Facts(structure="s", reference="r", trajectory="t", potential="p")
    plain = record_inputs(("sigma", "model_only", "map"), facts, Conditions.create())

    def changed(settings: MapSettings) -> set[str]:
        conditions = Conditions.create({"map": settings})
        other = record_inputs(("sigma", "model_only", "map"), facts, conditions)
        return {name for name in plain if plain[name] != other[name]}

    assert changed(MapSettings(soap=SOAP_SETTINGS)) == {"map"}
    assert changed(MapSettings(model_every=3)) == {"map"}
    assert changed(MapSettings(kernel=KernelSettings(alpha=0.1))) == {"map"}
    assert changed(MapSettings(kernel=KernelSettings(memory=1.0))) == set()
    assert "map" not in record_inputs(("map",), replace(facts, trajectory=""), Conditions.create())


def test_maps_are_made_anew_alone(mapped: Mapped) -> None:
    before = record_times(mapped.study)
    study, _ = run_tiny(settings_of(mapped.root, "o", reference_every=3))
    new = set(record_times(study)) - set(before)
    assert {study.store.read(key).measurement for key in new} == {"map"}
    record = study.records(study.cases[0])["map"]
    assert record.values["map_n_frames"][0] == N_REFERENCE // 3


class Stopped(BaseException):
    """In place of a killed process."""


def stop_after(n_tiles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End the computation right after some tiles have been stored."""
    save, done = map_kernel._save, [0]

    def saving(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        done[0] += 1
        if done[0] == n_tiles:
            raise Stopped

    monkeypatch.setattr(map_kernel, "_save", saving)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmode.configurations.kernel.plan_tiles", partial(plan_tiles, largest=16))


@pytest.mark.usefixtures("small_tiles")
def test_an_interrupted_kernel_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = [trajectory(seed=1), trajectory(seed=2, amplitude=0.08)]
    settings = KernelSettings()
    whole = make_kernel(sides, SOAP_SETTINGS, settings)
    kept = Partial(tmp_path / "pieces")
    with monkeypatch.context() as patched:
        stop_after(4, patched)
        with pytest.raises(Stopped):
            make_kernel(sides, SOAP_SETTINGS, settings, partial=kept)
    assert len(list(kept.folder.glob("*.npz"))) == 1 + 4
    seen: list[tuple[str, int, int]] = []
    resumed = make_kernel(
        sides, SOAP_SETTINGS, settings, partial=kept, advance=lambda *what: seen.append(what), threads=2
    )
    assert resumed.dissimilarities.tobytes() == whole.dissimilarities.tobytes()
    assert {what for what, _, _ in seen} == {"pairs"}  # frames were not described again
    first, total = seen[0][1:]
    assert total == 60 * 59 // 2
    assert first > 3 * 16 * 16  # what was there is not computed again
    differing = {name for name in whole.diagnostics if whole.diagnostics[name] != resumed.diagnostics[name]}
    assert not differing


@pytest.mark.usefixtures("small_tiles")
def test_damaged_and_foreign_pieces_are_made_again(tmp_path: Path) -> None:
    sides = [trajectory(seed=1), trajectory(seed=2)]
    kept = Partial(tmp_path / "pieces")
    whole = make_kernel(sides, SOAP_SETTINGS, KernelSettings(), partial=kept)
    pieces = sorted(kept.folder.glob("*.npz"))
    pieces[2].write_bytes(pieces[2].read_bytes()[:100])
    other = kept.load(3)
    assert other is not None
    kept.save(5, {**other, "dissimilarities": other["dissimilarities"] + 1.0})  # cut otherwise
    again = make_kernel(sides, SOAP_SETTINGS, KernelSettings(), partial=kept)
    assert again.dissimilarities.tobytes() == whole.dissimilarities.tobytes()


@pytest.mark.usefixtures("small_tiles")
def test_an_interrupted_study_goes_on_bit_for_bit(mapped: Mapped, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = run_tiny(settings_of(mapped.root, "whole"))
    settings = settings_of(mapped.root, "stopped")
    with monkeypatch.context() as patched:
        stop_after(5, patched)
        study, report = run_tiny(settings)
        assert (report.computed, report.failed) == (1, 1)
        failure = study.records(study.cases[0])["map"].failure
        assert failure is not None
        assert (failure.kind, failure.transient) == ("Stopped", True)
    assert len(list((settings.output / "records").glob("*/*.partial/*.npz"))) == 1 + 5
    study, report = run_tiny(settings)
    assert (report.computed, report.failed) == (1, 0)
    assert not list((settings.output / "records").glob("*/*.partial"))
    ours, theirs = record_contents(study), record_contents(whole)
    assert set(ours) == set(theirs)
    key = study.records(study.cases[0])["map"].key
    assert ours[key] == theirs[key]


def test_a_crystal_lost_at_once_has_no_map(mapped: Mapped) -> None:
    [cell] = mapped.study.cases
    assert cell.entry is not None
    assert cell.potential is not None
    conditions = mapped.study.settings.conditions
    lost = conditions.of(DynamicsSettings).model_copy(update={"discard": 10_000})
    conditions = conditions.model_copy(update={"tables": {**conditions.tables, "md": lost}})
    result = configuration_map(view_in("map", cell.entry, cell.potential, conditions, mapped.records))
    assert result.values["map_drawn"] is False
    assert "no frames" in result.values["map_notes"][0]
    assert not result.arrays


def test_different_compositions_are_refused() -> None:
    with pytest.raises(InputDataError, match="is of Cu8, but Al 1 of Al8"):
        make_kernel([trajectory("Al"), trajectory("Cu")], SOAP_SETTINGS, KernelSettings())


def test_a_single_frame_is_refused() -> None:
    with pytest.raises(InputDataError, match="single frame"):
        make_kernel([trajectory(n_frames=1)], SOAP_SETTINGS, KernelSettings())


def test_too_little_memory_is_refused_before_anything_is_computed() -> None:
    told: list[object] = []
    with pytest.raises(InputDataError, match=r"at most (\d+) in all") as refused:
        make_kernel(
            [trajectory(n_frames=60)],
            SOAP_SETTINGS,
            KernelSettings(memory=1e-4),
            advance=lambda *what: told.append(what),
            predicted=lambda *what: told.append(what),
        )
    assert not told
    assert "60 frames need" in str(refused.value)
    fitting = int(str(refused.value).split("at most ")[1].split()[0])
    assert fitting < 60
    assert 6 * 8 * fitting**2 <= 1e-4 * 2**30 < 6 * 8 * (fitting + 1) ** 2


def test_identical_frames_fail_the_cell_with_the_reason(tmp_path: Path) -> None:
    """A reference that does not move: nothing to measure distances by."""
    folder = tmp_path / "data" / "Al"
    truth = write_moving_metal(folder, "Al", n_frames=1, amplitude=0.08)
    from ase.io import write

    write(folder / "run.extxyz", truth.frames() * 6)
    settings = settings_of(tmp_path, "o")
    dataset = settings.dataset.model_copy(update={"accept": ("copies",)})
    study, report = run_tiny(settings.model_copy(update={"dataset": dataset}))
    assert (report.computed, report.failed) == (1, 1)
    failure = study.records(study.cases[0])["map"].failure
    assert failure is not None
    assert failure.kind == "InputData"
    assert not failure.transient
    assert "all the same" in failure.message


def test_costs_are_foretold() -> None:
    told: dict[str, tuple[int, float]] = {}
    made = make_kernel(
        [trajectory(n_frames=40)],
        SOAP_SETTINGS,
        KernelSettings(),
        predicted=lambda what, amount, seconds: told.update({what: (amount, seconds)}),
    )
    assert {name: amount for name, (amount, _) in told.items()} == {"frames": 40, "pairs": 780}
    assert made.predicted_seconds == pytest.approx(sum(seconds for _, seconds in told.values()))
    assert all(seconds > 0.0 for _, seconds in told.values())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"soap": {"r_cutt": 4.0}}, "did you mean 'r_cut'"),
        ({"kernel": {"alpha": -1.0}}, "map.kernel.alpha"),
        ({"model_evry": 2}, "did you mean 'model_every'"),
    ],
)
def test_settings_are_checked(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        tiny_study(Path("data"), Path("o"), measurements=["map"], map=wrong)


def test_permutations_are_enough_to_mean_something() -> None:
    with pytest.raises(ValidationError):
        MapSettings(n_permutations=5)
