from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_study import EMT_NAME, emt, tiny_study

from softmode.errors import SettingsError
from softmode.harmonic.protocol import PROTOCOLS
from softmode.study.folder import open_study, reopen_study
from softmode.study.settings import load_study, parse_study

VALID = """
name = "metals"
[dataset]
kind = "phonopy"
path = "data"
[dataset.select]
ids = ["Cu"]
[protocol]
name = "default"
[run]
workers = 1
[[potential]]
name = "ase.calculators.emt:EMT"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "metals.toml"
    path.write_text(text, encoding="utf-8")
    return path


def content(**changes: Any) -> dict[str, Any]:
    base = {"name": "n", "output": "o", "dataset": {"kind": "example"}, "potential": [{"name": EMT_NAME}]}
    return base | changes


def test_a_valid_file_is_read(tmp_path: Path) -> None:
    settings = load_study(written(tmp_path, VALID))
    assert settings.name == "metals"
    assert settings.dataset.select.ids == ("Cu",)
    assert settings.potentials[0].name == EMT_NAME
    assert settings.run.workers == 1
    assert settings.measurements == ("harmonic", "modes", "sigma")


@pytest.mark.parametrize(
    ("line", "unknown", "meant"),
    [
        ('name = "metals"', "sed = 3", "seed"),
        ('kind = "phonopy"', 'pth = "data"', "path"),
        ('ids = ["Cu"]', 'elemets = ["Cu"]', "elements"),
        ('name = "default"', "symmetrize = false", "symmetrise"),
        ("workers = 1", "worker = 2", "workers"),
        ('name = "ase.calculators.emt:EMT"', 'dtyp = "float64"', "dtype"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_one(
    tmp_path: Path, line: str, unknown: str, meant: str
) -> None:
    path = written(tmp_path, VALID.replace(line, f"{line}\n{unknown}"))
    with pytest.raises(SettingsError) as caught:
        load_study(path)
    message = str(caught.value)
    assert str(path) in message
    assert unknown.split()[0] in message
    assert f"did you mean {meant!r}" in message
    assert "\n" not in message


def test_an_unknown_key_like_no_other_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"qqqq.*workers, executor"):
        parse_study(content(run={"qqqq": 1}), "s.toml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"protocol": {"name": "defualt"}}, "default"),
        ({"protocol": "yang"}, "yang2026"),
        ({"protocol": {"name": 5}}, "protocol"),
        ({"protocol": {"mesh_length": -1}}, "mesh_length"),
        ({"protocol": {"points_per_segment": "many"}}, "points_per_segment"),
        ({"measurements": ["harmonics"]}, "measurements"),
        ({"potential": []}, "potential"),
        ({"potential": [{"name": EMT_NAME, "dtype": "float16"}]}, "float64"),
        ({"run": {"workers": 0}}, "workers"),
        ({"dataset": {}}, "dataset.kind"),
    ],
)
def test_a_bad_value_is_one_line_that_names_file_and_key(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_study(content(**changes), "s.toml")
    message = str(caught.value)
    assert "s.toml" in message
    assert words in message
    assert "\n" not in message


def test_two_potentials_of_one_name_need_labels() -> None:
    twice = [{"name": EMT_NAME}, {"name": EMT_NAME}]
    with pytest.raises(SettingsError, match=r"two potentials are called 'ase.*label"):
        parse_study(content(potential=twice), "s.toml")
    labelled = parse_study(content(potential=[twice[0], {**twice[1], "label": "again"}]), "s.toml")
    assert [potential.label for potential in labelled.potentials] == [None, "again"]


def test_not_toml(tmp_path: Path) -> None:
    path = written(tmp_path, "name = ")
    with pytest.raises(SettingsError, match=r"metals\.toml: is not valid TOML"):
        load_study(path)
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(SettingsError, match=r"metals\.toml: is not valid TOML"):
        load_study(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read .*No such file"):
        load_study(tmp_path / "nowhere.toml")


def test_the_data_are_found_relative_to_the_study_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    settings = load_study(written(tmp_path, VALID))
    assert settings.dataset.path == tmp_path / "data"
    absolute = load_study(written(tmp_path, VALID.replace('"data"', '"/elsewhere"')))
    assert absolute.dataset.path == Path("/elsewhere")


def test_name_and_output_follow_from_the_file_name(tmp_path: Path) -> None:
    settings = load_study(written(tmp_path, VALID.replace('name = "metals"', "", 1)))
    assert settings.name == "metals"
    assert settings.output == tmp_path / "runs" / "metals"


def test_the_folder_is_found_relative_to_the_study_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (tmp_path / "studies").mkdir()
    for given, expected in (("out", tmp_path / "studies" / "out"), ("../o", tmp_path / "o"), ("/o", "/o")):
        file = written(tmp_path / "studies", f'output = "{given}"\n' + VALID)
        assert load_study(file).output == Path(expected)


def test_a_named_protocol_can_be_changed() -> None:
    plain = parse_study(content(protocol="yang2026"), "s").conditions.protocol
    assert plain == PROTOCOLS["yang2026"]
    changed = parse_study(content(protocol={"name": "yang2026", "mesh_length": 20}), "s").conditions.protocol
    assert changed.name == "yang2026+"
    assert changed.mesh_length == 20.0
    assert changed.model_copy(update={"name": "yang2026", "mesh_length": 60.0}) == PROTOCOLS["yang2026"]
    same = parse_study(content(protocol={"name": "yang2026", "symmetrise": False}), "s").conditions.protocol
    assert same.name == "yang2026"


@pytest.mark.parametrize("protocol", [{"name": "yang2026"}, {"name": "yang2026", "relax": True}])
def test_settings_survive_in_the_folder_of_the_study(
    tiny_dataset: Path, tmp_path: Path, protocol: dict[str, Any]
) -> None:
    settings = parse_study(
        content(
            output=str(tmp_path / "o"),
            dataset={"kind": "phonopy", "path": str(tiny_dataset), "select": {"elements": ["Cu"]}},
            protocol=protocol,
            potential=[emt("a"), emt("b", elements=["Cu"])],
            seed=7,
        ),
        "s.toml",
    )
    open_study(settings)
    assert reopen_study(tmp_path / "o").settings == settings
    assert parse_study(settings.content(), "s.toml") == settings


def test_a_moved_study_can_be_reopened(tiny_dataset: Path, tmp_path: Path) -> None:
    open_study(tiny_study(tiny_dataset, tmp_path / "before"))
    (tmp_path / "before").rename(tmp_path / "after")
    study = reopen_study(tmp_path / "after")
    assert study.settings.output == tmp_path / "after"
    assert [cell.material.name for cell in study.cases] == ["Al", "Au", "Cu"]


@pytest.mark.parametrize("damage", [None, "study.json", "potentials.json", "materials.json"])
def test_a_folder_without_a_whole_study_is_refused(
    tiny_dataset: Path, tmp_path: Path, damage: str | None
) -> None:
    folder = tmp_path / "o"
    if damage is not None:
        open_study(tiny_study(tiny_dataset, folder))
        (folder / damage).write_text("{")
    with pytest.raises(SettingsError, match=r"o.*(holds no study|softmode run)"):
        reopen_study(folder)


def test_a_selection_of_nothing_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    settings = tiny_study(tiny_dataset, tmp_path / "o")
    select = settings.dataset.select.model_copy(update={"elements": ("Cs",)})
    nothing = settings.model_copy(update={"dataset": settings.dataset.model_copy(update={"select": select})})
    with pytest.raises(SettingsError, match=r"takes no material.*dataset\.select"):
        open_study(nothing)


def test_an_unknown_id_or_potential_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such material"):
        open_study(tiny_study(tiny_dataset, tmp_path / "o", ids=["Cuu"]))
    with pytest.raises(SettingsError, match="chgnet"):
        open_study(tiny_study(tiny_dataset, tmp_path / "o", {"name": "chgnett"}))
