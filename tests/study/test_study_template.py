"""The commented study file: complete, true to the models, and a study as it stands."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from softmode.measurements.conditions import Conditions
from softmode.measurements.registry import settings_tables
from softmode.study.settings import StudySettings, load_study, parse_study
from softmode.study.template import study_template

MINIMAL = {
    "name": "mine",
    "output": "runs/mine",
    "dataset": {"kind": "example"},
    "potential": [{"name": "chgnet"}],
}
SETTING = re.compile(r"^#?(\w+) =")
TABLE = re.compile(r"^#?\[+([\w.]+)\]+$")


@pytest.fixture(scope="module")
def text() -> str:
    return study_template("mine", "mine.toml")


def uncommented(text: str) -> str:
    """The file with every default written out."""
    return re.sub(r"^#(\w+ = )", r"\1", text, flags=re.M)


def test_it_is_a_study_as_it_stands(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    expected = parse_study({**MINIMAL, "output": str(tmp_path / "runs" / "mine")}, "minimal")
    assert load_study(path) == expected


def test_what_stands_in_comments_are_the_defaults(text: str) -> None:
    whole = tomllib.loads(uncommented(text))
    assert len(whole["md"]) > 10
    assert whole["protocol"]["mesh_length"] == 60.0
    assert parse_study(whole, "uncommented") == parse_study(MINIMAL, "minimal")


def fields(model: type[BaseModel], where: str = "") -> set[str]:
    """Every setting below a model, as a path."""
    found: set[str] = set()
    for name, info in model.model_fields.items():
        key = f"{where}{info.alias or name}"
        models = [part for part in models_in(info.annotation) if issubclass(part, BaseModel)]
        found |= {deeper for inner in models for deeper in fields(inner, f"{key}.")} or {key}
    return found


def models_in(annotation: Any) -> list[type]:
    if isinstance(annotation, type):
        return [annotation]
    return [kind for part in getattr(annotation, "__args__", ()) for kind in models_in(part)]


def test_every_setting_is_there_once_and_explained(text: str) -> None:
    found, table, lines = [], "", text.splitlines()
    for before, line in pairwise(lines):
        if header := TABLE.match(line):
            table = f"{header[1]}."
        elif setting := SETTING.match(line):
            found.append(table + setting[1])
        else:
            continue
        assert re.match("# .+", before), line
    assert len(found) == len(set(found))
    own = {path for path in fields(StudySettings) if not path.startswith("conditions")}
    conditions = {path for path in fields(Conditions) if not path.startswith("tables")}
    tables = {path for name, table in settings_tables().items() for path in fields(table, f"{name}.")}
    assert set(found) == own | conditions | tables
    assert {"protocol.mesh_length", "seed", "threads", "one_shot.temperature"} <= set(found)


def test_lines_are_short(text: str) -> None:
    assert max(len(line) for line in text.splitlines()) <= 110
    assert ":class:" not in text
    assert "``" not in text
