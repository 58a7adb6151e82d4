"""Details of all materials of a study as parts of its page, each opened only when one of them is."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

from softmode.charts import Chart
from softmode.measurements.registry import measurements
from softmode.measurements.results import MaterialResults
from softmode.panel import Panel
from softmode.processes import available_cores, process_pool
from softmode.records import open_record, record_holder
from softmode.report.detail import Detail, DetailRecord, Structure, material_panels
from softmode.report.detail_bands import bands_of, dos_of
from softmode.report.detail_cache import keep_parts, part_key, read_parts
from softmode.report.detail_commands import commands_of, completing
from softmode.report.detail_modes import modes_of
from softmode.report.document import document_json
from softmode.report.panels import page_panel
from softmode.study.folder import Case, Study

#: Cells of a part, about: 100 to 300 kB.
_CELLS = 44
#: Points of a series of a chart, about; and where there are many materials.
_POINTS, _FEW_POINTS = 300, 60
#: Cells from which on further processes are worth their start.
_MANY = 1000
#: Largest size of all parts that lie inside the page, bytes.
LARGEST_INSIDE = 12_000_000


@dataclass(frozen=True)
class Parts:
    """Details of materials, encoded.

    Parameters
    ----------
    encoded : tuple of str
        Each the details of some materials: JSON (``Detail[]`` of ``web/src/contract.ts``), gzip, base64.
    part : mapping of str to int
        In which of them a material is, by its name.
    """

    encoded: tuple[str, ...]
    part: Mapping[str, int]

    @property
    def inside(self) -> bool:
        """Whether they are small enough to lie inside the page."""
        return sum(map(len, self.encoded)) <= LARGEST_INSIDE

    def files(self) -> dict[str, bytes]:
        """Scripts to lie in the folder ``parts`` beside the page, by name; none where parts lie inside."""
        if self.inside:
            return {}
        return {
            f"parts/{number}.js": f'softmodePart({number}, "{text}");\n'.encode()
            for number, text in enumerate(self.encoded)
        }


@dataclass(frozen=True)
class MaterialFiles:
    """What the details of a material are made from; picklable.

    Parameters
    ----------
    material, formula : str
        Whose.
    cell : mapping or None
        Unit cell, as :class:`softmode.study.materials.MaterialSummary` has it.
    potentials : tuple of str
        Labels of those in the study.
    digests : mapping
        Key of each record by potential and measurement, whether it exists or not.
    files : mapping of str to str
        File of each record by its key, relative to the study's folder.
    commands : tuple of str
        That reproduce it.
    lacking : tuple of str
        What the study did not measure, and which command adds it.
    points : int
        As in :class:`~softmode.measurements.results.MaterialResults`.
    """

    material: str
    formula: str
    cell: Mapping[str, Any] | None
    potentials: tuple[str, ...]
    digests: Mapping[str, Mapping[str, str]]
    files: Mapping[str, str]
    commands: tuple[str, ...]
    lacking: tuple[str, ...]
    points: int


def parts_of(study: Study, page: Path | None = None) -> Parts:
    """Details of all materials of a study; arguments as of :func:`begun_parts`."""
    with begun_parts(study, page) as finished:
        return finished()


@contextmanager
def begun_parts(study: Study, page: Path | None = None) -> Iterator[Callable[[], Parts]]:
    """Details of all materials of a study, made in other processes while this one does something else.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    page : Path, optional
        Folder of the page, from which records are linked; ``report/`` in the study's folder when not given.

    Yields
    ------
    callable
        Waits for them.
    """
    page = study.folder / "report" if page is None else page
    to_study = Path(os.path.relpath(study.folder.resolve(), page.resolve())).as_posix()
    materials = _materials(study)
    potentials = max(len(one.potentials) for one in materials)
    size = max(1, _CELLS // potentials)
    batches = [materials[start : start + size] for start in range(0, len(materials), size)]
    part = {one.material: number for number, batch in enumerate(batches) for one in batch}
    keys = [_key(batch, study.folder, to_study) for batch in batches]
    known = {} if study.of else read_parts(study.folder)
    missing = [place for place, key in enumerate(keys) if key not in known]

    with _encoding([batches[place] for place in missing], study.folder, to_study) as made:

        def finished() -> Parts:
            found = known | dict(zip((keys[place] for place in missing), made, strict=True))
            if set(keys) != set(known) and not study.of:  # a study by itself keeps them
                keep_parts(study.folder, {key: found[key] for key in keys})
            return Parts(tuple(found[key] for key in keys), part)

        yield finished


def _key(materials: Sequence[MaterialFiles], folder: Path, to_study: str) -> str:
    made_from = [to_study, [vars(one) for one in materials]]
    return part_key(made_from, (f"{folder}/{file}" for one in materials for file in one.files.values()))


@contextmanager
def _encoding(
    batches: Sequence[Sequence[MaterialFiles]], folder: Path, to_study: str
) -> Iterator[Iterator[str]]:
    """Parts of so many materials each, in several processes, which begin at once, where there are many."""
    encode = partial(_encoded, folder=folder, to_study=to_study)
    cells = sum(len(one.potentials) for batch in batches for one in batch)
    if cells < _MANY or available_cores() == 1:
        yield map(encode, batches)
        return
    pool = process_pool(min(available_cores(), len(batches)))
    try:
        yield pool.map(encode, batches, chunksize=2)
    finally:
        pool.shutdown(cancel_futures=True)


def _materials(study: Study) -> list[MaterialFiles]:
    cases: dict[str, list[Case]] = {}
    for case in study.cases:
        cases.setdefault(case.material.name, []).append(case)
    return [
        MaterialFiles(
            name,
            own[0].material.formula or name,
            own[0].material.cell,
            tuple(case.label for case in own),
            {case.label: case.keys for case in own},
            {key: study.file(key) for case in own for key in case.keys.values()},
            commands_of(study, own),
            _lacking(study, own),
            _POINTS if len(study.cases) < _MANY else _FEW_POINTS,
        )
        for name, own in cases.items()
    ]


def _lacking(study: Study, cases: Sequence[Case]) -> tuple[str, ...]:
    """Modes and structure, which studies of earlier versions lack."""
    asked, said = study.settings.measurements, []
    if "harmonic" in asked and "modes" not in asked:
        added = completing(study, "modes")
        said.append(f"The modes that are most wrong and softest; this adds them, with no force call: {added}")
    if cases[0].material.cell is None and not cases[0].material.failure:
        said.append(f"The structure; this reads it: softmode run {shlex.quote(study.folder.name)}")
    return tuple(said)


def _encoded(materials: Sequence[MaterialFiles], folder: Path, to_study: str) -> str:
    details = [detail_of(one, folder, to_study) for one in materials]
    try:
        text = json.dumps(
            details, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode("utf-8", "backslashreplace")
    except ValueError:  # a number that is not finite: slower, and with gaps in its place
        text = document_json(details)
    return base64.b64encode(gzip.compress(text, 5, mtime=0)).decode("ascii")


def decoded(part: str) -> Any:
    """What a part holds, as the page reads it."""
    return json.loads(gzip.decompress(base64.b64decode(part)))


def _plain(content: object) -> dict[str, Any]:
    """A dataclass as the page reads it."""
    if not is_dataclass(content):
        raise TypeError(f"a {type(content).__name__} has no place on a page")
    own = {field.name: getattr(content, field.name) for field in fields(content)}
    return {"kind": content.kind} | own if isinstance(content, Chart) else own


def detail_of(material: MaterialFiles, folder: Path, to_study: str) -> Detail:
    """Details of a material.

    Parameters
    ----------
    material : MaterialFiles
        Which.
    folder : Path
        Of the study.
    to_study : str
        Where that is from the page.
    """

    def read(potential: str, measurement: str) -> Any:
        digest = material.digests[potential].get(measurement)
        return None if digest is None else open_record(folder / material.files[digest])

    results = MaterialResults(material.material, material.formula, material.potentials, read, material.points)
    measured = {name for keys in material.digests.values() for name in keys}
    cell = material.cell
    panels = material_panels(results, tuple(name for name in measurements() if name in measured))
    if material.lacking:
        panels = (*panels, Panel("lacking", "Not in this study", "", missing=material.lacking))
    return Detail(
        material=material.material,
        structure=None if cell is None else Structure(**{name: tuple(own) for name, own in cell.items()}),
        bands=bands_of(results),
        dos=dos_of(results),
        modes=tuple(modes_of(results)),
        panels=tuple(page_panel(panel, lambda link: f"{to_study}/{link.file}") for panel in panels),
        commands=material.commands,
        records=tuple(
            DetailRecord(potential, measurement, digest, f"{to_study}/{material.files[digest]}")
            for potential, digests in material.digests.items()
            for measurement, digest in digests.items()
            if record_holder(folder / material.files[digest]) is not None
        ),
    )
