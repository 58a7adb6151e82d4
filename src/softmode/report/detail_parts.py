"""Details of all materials of a study as parts of its page, each opened only when one of them is."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

from softmode.charts import Chart
from softmode.measurements.registry import measurements
from softmode.measurements.results import MaterialResults
from softmode.processes import available_cores, process_pool
from softmode.records import open_record
from softmode.report.detail import Detail, DetailRecord, Structure, material_panels
from softmode.report.detail_bands import bands_of, dos_of
from softmode.report.detail_commands import commands_of
from softmode.study.folder import Case, Study

#: Cells of a part, about: 100 to 300 kB.
_CELLS = 44
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
    commands : tuple of str
        That reproduce it.
    """

    material: str
    formula: str
    cell: Mapping[str, Any] | None
    potentials: tuple[str, ...]
    digests: Mapping[str, Mapping[str, str]]
    commands: tuple[str, ...]


def parts_of(study: Study) -> Parts:
    """Details of all materials of a study."""
    materials = _materials(study)
    potentials = max(len(one.potentials) for one in materials)
    size = max(1, _CELLS // potentials)
    batches = [materials[start : start + size] for start in range(0, len(materials), size)]
    encode = partial(_encoded, folder=study.folder)
    if len(study.cases) < _MANY or available_cores() == 1:
        encoded = tuple(map(encode, batches))
    else:
        with process_pool(min(available_cores(), len(batches))) as pool:
            encoded = tuple(pool.map(encode, batches, chunksize=4))
    part = {one.material: number for number, batch in enumerate(batches) for one in batch}
    return Parts(encoded, part)


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
            commands_of(study, own),
        )
        for name, own in cases.items()
    ]


def _encoded(materials: Sequence[MaterialFiles], folder: Path) -> str:
    text = json.dumps(
        [detail_of(one, folder) for one in materials],
        default=_plain,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    return base64.b64encode(gzip.compress(text.encode("utf-8", "backslashreplace"), 5, mtime=0)).decode(
        "ascii"
    )


def decoded(part: str) -> Any:
    """What a part holds, as the page reads it."""
    return json.loads(gzip.decompress(base64.b64decode(part)))


def _plain(content: object) -> dict[str, Any]:
    """A dataclass as the page reads it."""
    if not is_dataclass(content):
        raise TypeError(f"a {type(content).__name__} has no place on a page")
    own = {field.name: getattr(content, field.name) for field in fields(content)}
    return {"kind": content.kind} | own if isinstance(content, Chart) else own


def detail_of(material: MaterialFiles, folder: Path) -> Detail:
    """Details of a material.

    Parameters
    ----------
    material : MaterialFiles
        Which.
    folder : Path
        Of the study.
    """

    def file(digest: str) -> str:
        return f"records/{digest[:2]}/{digest}.h5"

    def read(potential: str, measurement: str) -> Any:
        digest = material.digests[potential].get(measurement)
        return None if digest is None else open_record(folder / file(digest))

    results = MaterialResults(material.material, material.formula, material.potentials, read)
    measured = {name for keys in material.digests.values() for name in keys}
    cell = material.cell
    return Detail(
        material=material.material,
        structure=None if cell is None else Structure(**{name: tuple(own) for name, own in cell.items()}),
        bands=bands_of(results),
        dos=dos_of(results),
        modes=(),
        panels=material_panels(results, tuple(name for name in measurements() if name in measured)),
        commands=material.commands,
        records=tuple(_records(material, folder, file)),
    )


def _records(material: MaterialFiles, folder: Path, file: Any) -> Iterator[DetailRecord]:
    for potential, digests in material.digests.items():
        for measurement, digest in digests.items():
            if (folder / file(digest)).exists():
                yield DetailRecord(potential, measurement, digest, file(digest))
