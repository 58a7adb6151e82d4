"""Labels: reading, matching by composition, balanced draws."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmode.anharmonic.classes import classify
from softmode.datasets import open_dataset
from softmode.errors import InputDataError, SettingsError
from softmode.structures.labels import Label, balanced_draw, compound_key, read_labels


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return path


def test_labels_are_found_however_a_formula_is_written(tmp_path: Path) -> None:
    path = table(tmp_path, "system,sigma_300K_single,t\nCs2AgBiBr6,0.336,1\nCuGaF3,0.994,1\nGaCuF3,1.213,1\n")
    labels = read_labels(path)
    assert labels.source == f"{path} (system, sigma_300K_single)"
    assert labels.problems == ()
    for formula in ("Cs2AgBiBr6", "BiAgCs2Br6", "Cs4Ag2Bi2Br12", "Br6Cs2AgBi"):
        found = labels.find(formula)
        assert found is not None
        assert (found.formula, found.sigma, found.group) == ("Cs2AgBiBr6", 0.336, "Br")
    assert [labels.find(f).sigma for f in ("CuGaF3", "GaCuF3", "F3CuGa")] == [0.994, 1.213, 0.994]  # type: ignore[union-attr]
    assert labels.find("CuGaF3", {"site_A": "Ga"}).sigma == 1.213  # type: ignore[union-attr]
    assert labels.find("Cs2AgBiCl6") is None
    with pytest.raises(InputDataError, match="no chemical formula"):
        labels.find("my structure")


def test_labels_of_built_materials_are_found(tmp_path: Path) -> None:
    labels = read_labels(table(tmp_path, "formula,sigma\nKInCl3,0.9\nLiBaF3,1.2\nCs3TbF6,0.4\n"))
    for formula, prototype, sigma in (
        ("KInCl3", "elpasolite", 0.9),
        ("LiBaF3", "perovskite", 1.2),
        ("TbCs3F6", "elpasolite", 0.4),
    ):
        [entry] = open_dataset("structures", formulas=formula, prototype=prototype).entries()
        material = entry.load()
        found = labels.find(material.formula, material.tags)
        assert found is not None
        assert found.sigma == sigma
    [other] = open_dataset("structures", formulas="BaLiF3", prototype="perovskite").entries()
    assert labels.find("BaLiF3", other.load().tags) is None


def test_rows_that_cannot_be_used_are_reported(tmp_path: Path) -> None:
    text = "\n".join(
        [
            "n, Compound ,sigma",
            "1,KCl,0.1",
            "2,NaCl,",
            "3,LiCl,much",
            "4,,0.5",
            "5,Xx2,0.5",
            "6,ClK,0.1",
            "7,MgO,0.2",
            "8,OMg,0.3",
            "9,CaO,-1",
            "10,BaO,nan",
            "11,SrO",
        ]
    )
    labels = read_labels(table(tmp_path, text + "\n"))
    assert [label.formula for label in labels.labels] == ["KCl"]
    expected = [
        "line 3: NaCl: sigma is empty",
        "line 4: LiCl: sigma is 'much', no number",
        "line 5: no formula",
        "line 6: formula 'Xx2': 'Xx' is no chemical symbol",
        "line 7: ClK is in line 2 already",
        "line 9: OMg is in line 8 already with 0.2 instead of 0.3: neither is used",
        "line 10: CaO: sigma is -1, no finite number above zero",
        "line 11: BaO: sigma is nan, no finite number above zero",
        "line 12: SrO: sigma is empty",
    ]
    assert list(labels.problems) == expected


def test_columns(tmp_path: Path) -> None:
    path = table(tmp_path, "formula,sigma2,mine\nKCl,0.1,0.7\n")
    assert read_labels(path).labels[0].sigma == 0.1
    assert read_labels(path, sigma_column="mine").labels[0].sigma == 0.7
    with pytest.raises(SettingsError, match=r"no column 'yours'.*its columns are: formula, sigma2, mine"):
        read_labels(path, sigma_column="yours")
    with pytest.raises(SettingsError, match="no such file"):
        read_labels(tmp_path / "absent.csv")
    with pytest.raises(InputDataError, match=r"no column of scores is recognised.*set sigma_column"):
        read_labels(table(tmp_path, "formula,score\nKCl,0.1\n"))
    with pytest.raises(InputDataError, match="no column of formulas is recognised"):
        read_labels(table(tmp_path, "id,sigma\n1,0.1\n"))
    with pytest.raises(InputDataError, match=r"no row has a formula and a score \(line 2: KCl"):
        read_labels(table(tmp_path, "formula,sigma\nKCl,x\n"))
    with pytest.raises(InputDataError, match="no column of formulas"):
        read_labels(table(tmp_path, ""))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputDataError, match="not a text file"):
        read_labels(path)


ALKALI = ("Li", "Na", "K", "Rb", "Cs")
METALS = ("Sc", "Y", "La", "Al", "Ga", "Sb", "Bi")
SIGMA = (0.3, 0.7, 1.4)


def stock(counts: list[int]) -> list[Label]:
    """So many compounds of each halide and class."""
    labels = []
    for place, count in enumerate(counts):
        halide, sigma = ("F", "Cl", "Br", "I")[place // 3], SIGMA[place % 3]
        offset = place % 3 * 11
        for i in range(offset, offset + count):
            formula = f"{ALKALI[i % 5]}2Ag{METALS[i // 5]}{halide}6"
            labels.append(Label(formula, sigma, compound_key(formula)))
    return labels


COUNTS = st.lists(st.integers(0, 11), min_size=12, max_size=12).filter(lambda counts: sum(counts) > 0)


@given(COUNTS, st.integers(0, 2**32 - 1), st.data())
def test_draws_are_balanced_nested_and_independent_of_order(
    counts: list[int], seed: int, data: st.DataObject
) -> None:
    labels = stock(counts)
    n = data.draw(st.integers(1, len(labels)))
    drawn = balanced_draw(labels, n, seed, classify)
    assert len(drawn) == len({label.key for label in drawn}) == n
    taken = Counter((label.group, classify(label.sigma)) for label in drawn)
    available = Counter((label.group, classify(label.sigma)) for label in labels)
    most = max(taken.values())
    for stratum, count in available.items():  # fewer than the others only where there are no more
        assert taken[stratum] >= min(most - 1, count)
    shuffled = data.draw(st.permutations(labels))
    assert balanced_draw(shuffled, n, seed, classify) == drawn
    assert set(drawn) <= set(balanced_draw(labels, len(labels), seed, classify))
    if n > 1:
        assert set(balanced_draw(labels, n - 1, seed, classify)) < set(drawn)


def test_draws_depend_on_the_seed() -> None:
    labels = stock([11] * 12)
    draws = [frozenset(balanced_draw(labels, 24, seed, classify)) for seed in range(20)]
    assert len(set(draws)) == 20
    often = Counter(label for draw in draws for label in draw)
    assert max(often.values()) < 12  # no compound is favoured: each is expected 20 × 2/11 times
    for n in (0, 133):
        with pytest.raises(SettingsError, match="ask for 1 to 132"):
            balanced_draw(labels, n, 0, classify)


@pytest.mark.shared_data
def test_label_files(shared_data: Path) -> None:
    doubles = read_labels(shared_data / "labels" / "hdp_sigma_300K.csv")
    assert (len(doubles.labels), doubles.problems) == (1165, ())
    counts = Counter((label.group, classify(label.sigma)) for label in doubles.labels)
    assert counts["F", "unstable"] == 117
    assert sum(counts.values()) == 1165
    drawn = balanced_draw(doubles.labels, 250, 1, classify)
    taken = Counter((label.group, classify(label.sigma)) for label in drawn)
    assert sorted(taken.values()) == [8, 9, 12, *[24] * 4, *[25] * 5]
    perovskites = read_labels(shared_data / "labels" / "abx3_halide_sigma_300K.csv")
    assert len(perovskites.labels) == 1269
    assert len(perovskites.problems) == 9
    assert all("sigma2 is empty" in problem for problem in perovskites.problems)
    sigma = np.array([label.sigma for label in perovskites.labels])
    assert np.isfinite(sigma).all()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("formula,sigma,sigma\nCsCl,0.3,0.4\n", "two columns are named 'sigma'"),
        ("formula,sigma\nCsCl,0,3\n", r"it has 3 cells, but 2 columns are named \(decimal commas\?\)"),
        ('formula,sigma\nNaCl,0.2\nCsCl,"0,3"\n', "line 3: sigma is '0,3': a decimal comma"),
        ("formula,sigma\nCsCl,33.6\nNaCl,41\n", r"the median of the scores σ is 37.3 \(at most 5\)"),
        ("formula,sigma\nCsCl,0.00336\nNaCl,0.0041\n", "the median of the scores σ is 0.00373"),
    ],
)
def test_labels_that_are_not_what_they_seem(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputDataError, match=problem):
        read_labels(table(tmp_path, text))


def test_scores_can_be_accepted(tmp_path: Path) -> None:
    path = table(tmp_path, "formula,sigma\nCsCl,33.6\nNaCl,41\n")
    with pytest.raises(InputDataError, match=r'accept = \["label_median"\] in \[labels\]'):
        read_labels(path)
    assert len(read_labels(path, accept=["label_median"]).labels) == 2
