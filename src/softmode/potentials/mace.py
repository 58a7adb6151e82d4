"""MACE models: a whole batch of configurations in one forward pass."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from softmode.errors import CorruptWeightsError, PotentialError, SettingsError
from softmode.potentials.base import PotentialInfo
from softmode.potentials.batching import BatchedPotential
from softmode.potentials.calculator import calculator_of
from softmode.potentials.family import (
    FOR_WEIGHTS,
    MATERIALS_PROJECT_ELEMENTS,
    Entry,
    Family,
    KnownAnswer,
    Options,
    Package,
    Structure,
    as_tuples,
)
from softmode.potentials.mace_elements import model_of_elements
from softmode.potentials.runtime import (
    default_dtype,
    deterministic,
    is_out_of_memory,
    quiet,
    torch_device,
)
from softmode.potentials.weights import unreadable

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from softmode.potentials.resolution import ResolvedPotential

#: Atoms in one forward pass on a processor, which gains nothing from more: they only take memory.
MAX_ATOMS_PER_BATCH = 256

#: Models of few elements kept: each takes up to 100 MB, and is made anew in a fifth of a second.
_MOST_MODELS = 2

#: Where MACE looks for charge, spin and field in ``atoms.info``.
_INFO_KEYS = {"total_spin": "spin", "total_charge": "charge", "external_field": "external_field"}


class MACEPotential(BatchedPotential):
    """A MACE model, evaluated as a batch.

    Parameters
    ----------
    info : PotentialInfo
        Description; its elements are replaced by those of the model.
    path : Path
        The ``.model`` file. It is a Python pickle: load only files you trust.
    dtype : {"float64", "float32"}
        Precision the model is converted to.
    device : str
        Where it runs.
    head : str, optional
        Which head of a multi-head model.
    max_atoms_per_batch : int, optional
        Atoms in one forward pass; larger batches are split between configurations. When not given, 256 on a
        processor, and on an accelerator what its memory holds.
    all_elements : bool
        Compute with the weights of all elements of the model, as mace-torch does, and not only with those of
        the elements that a configuration has.

    Raises
    ------
    CorruptWeightsError
        If the file is not a MACE model.
    SettingsError
        If the head is not one of the model's.
    """

    batches = True

    def __init__(
        self,
        info: PotentialInfo,
        path: Path,
        *,
        dtype: str = "float64",
        device: str = "cpu",
        head: str | None = None,
        max_atoms_per_batch: int | None = None,
        all_elements: bool = False,
    ) -> None:
        from ase.data import chemical_symbols

        self._again = partial(
            MACEPotential,
            info,
            path,
            device=device,
            head=head,
            max_atoms_per_batch=max_atoms_per_batch,
            all_elements=all_elements,
        )
        self.dtype = dtype
        self.device = device
        target = torch_device(device, info.name)
        self.model = _load_model(path, dtype, target)
        self._all_elements = all_elements
        self._small: dict[frozenset[int], Any] = {}
        numbers = self.model.atomic_numbers.tolist()
        self.info = replace(info, elements=tuple(chemical_symbols[number] for number in numbers))
        self.heads = [str(name) for name in getattr(self.model, "heads", None) or ["Default"]]
        self.head = _choose_head(info.name, self.heads, head)
        self.cutoff = float(self.model.r_max)
        self._by_atoms = max_atoms_per_batch is not None or target.type == "cpu"
        self._size_passes(target, (max_atoms_per_batch or MAX_ATOMS_PER_BATCH) if self._by_atoms else None)
        self._small.clear()

    @property
    def precisions(self) -> tuple[str, ...]:
        """Both."""
        return FAMILY.dtypes

    def in_precision(self, dtype: str) -> MACEPotential | None:
        """The weights of the file in another precision."""
        return self._again(dtype=dtype) if dtype in self.precisions else None

    def calculator(self) -> Calculator:
        """An ASE calculator of the same weights, with stress, for relaxation and molecular dynamics."""

        def predict(atoms: Atoms) -> tuple[float, Any, Any]:
            output = self._output([self._graph(atoms)], stress=True)
            energy, forces, stress = (
                output[name].double().numpy() for name in ("energy", "forces", "stress")
            )
            return float(energy[0]), forces, stress[0] if atoms.pbc.all() else None

        return calculator_of(predict)

    def _graph(self, atoms: Atoms) -> tuple[Any, Any]:
        """The model of the elements of a configuration, and its neighbours within the cutoff.

        Periodic as the configuration is, in the precision of the model.
        """
        from mace import data as mace_data
        from mace.tools.utils import AtomicNumberTable

        with quiet(), default_dtype(self.dtype):
            model = self._model_for(atoms)
            keys = mace_data.KeySpecification(info_keys=_INFO_KEYS, arrays_keys={})
            configuration = mace_data.config_from_atoms(atoms, key_specification=keys, head_name=self.head)
            table = AtomicNumberTable(model.atomic_numbers.tolist())
            return model, mace_data.AtomicData.from_config(
                configuration, z_table=table, cutoff=self.cutoff, heads=self.heads
            )

    def _edges(self, graph: Any) -> int:
        return int(graph[1].edge_index.shape[1])

    def _size(self, graph: Any) -> int:
        return int(graph[1].num_nodes) if self._by_atoms else self._edges(graph)

    def _alike(self, graph: Any, other: Any) -> bool:
        return graph[0] is other[0]

    def _pass(self, graphs: Sequence[Any]) -> list[tuple[float, Any]]:
        output = self._output(graphs)
        forces = output["forces"].split([graph.num_nodes for _, graph in graphs])
        energies = output["energy"].reshape(-1).tolist()
        return [(energy, force.numpy()) for energy, force in zip(energies, forces, strict=True)]

    def _twice(self, atoms: Atoms) -> tuple[Any, Any, Callable[[Any], Any]]:
        given, output = self._ran([self._graph(atoms)], training=True)
        return output["forces"], given["positions"], lambda slopes: slopes

    def _output(self, graphs: Sequence[Any], *, stress: bool = False) -> dict[str, Any]:
        """What the model gives for configurations of the same elements."""
        _, output = self._ran(graphs, compute_stress=stress)
        return {name: value.detach().cpu() for name, value in output.items() if value is not None}

    def _ran(self, graphs: Sequence[Any], **asked: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the model was given for configurations of the same elements, and what it returned."""
        import torch
        from mace.tools import torch_geometric

        model = graphs[0][0]
        # TorchScript optimises after its first evaluation and gives other last digits then; that costs more
        # than it saves.
        with (
            quiet(),
            default_dtype(self.dtype),
            torch.jit.optimized_execution(False),
            deterministic(self._torch_device),
        ):
            batch = torch_geometric.Batch.from_data_list([graph for _, graph in graphs])
            given = batch.to(self._torch_device).to_dict()
            output = model(given, compute_force=True, **asked)
        if output.get("energy") is None or output.get("forces") is None:
            raise PotentialError(
                self.info.name,
                f"the model ({type(self.model).__name__}) gives no energy and forces",
                "Use a MACE model of energies and forces",
            )
        return given, output

    def _model_for(self, atoms: Atoms) -> Any:
        """The model of the elements of a configuration: its last digits follow from these alone."""
        if self._all_elements:
            return self.model
        elements = frozenset(atoms.numbers.tolist())
        if elements not in self._small:
            if len(self._small) >= _MOST_MODELS:
                self._small.pop(next(iter(self._small)))
            self._small[elements] = model_of_elements(self.model, elements)
        return self._small[elements]


def _load_model(path: Path, dtype: str, device: Any) -> Any:
    import torch

    with quiet(), default_dtype():
        import mace.modules  # noqa: F401  (the classes the file refers to, and e3nn made importable)

        try:
            # The file holds a whole module, not a table of weights, so that it cannot be read otherwise.
            model = torch.load(path, map_location=device, weights_only=False)
        except Exception as exc:
            if is_out_of_memory(exc):
                raise
            raise unreadable(
                path,
                "MACE",
                exc,
                "Check that it is a complete .model file, of a version that mace-torch can read",
            ) from exc
    if not isinstance(model, torch.nn.Module) or not hasattr(model, "atomic_numbers"):
        raise CorruptWeightsError(
            str(path), f"holds a {type(model).__name__}, not a MACE model", "Give a MACE .model file"
        )
    model = model.to(device=device, dtype=getattr(torch, dtype)).eval()
    for parameter in model.parameters():
        parameter.requires_grad = False
    return model


def _choose_head(subject: str, heads: list[str], asked: str | None) -> str:
    """The head asked for; when none is, the only one or the one named default."""
    if asked is not None:
        matching = [head for head in heads if head == asked]
    elif len(heads) == 1:
        matching = heads
    else:
        matching = [head for head in heads if head.lower() == "default"]
    if not matching:
        problem = f"has no head {asked!r}" if asked is not None else "has several heads, and none is named"
        raise SettingsError(subject, problem, f"Set kwargs = {{ head = ... }} to one of {', '.join(heads)}")
    return matching[0]


class MACEOptions(Options):
    """Options of a MACE potential.

    Parameters
    ----------
    head : str, optional
        Which head of a multi-head model.
    max_atoms_per_batch : int, optional
        Atoms in one forward pass; what suits the device when not given.
    all_elements : bool
        Compute with the weights of all elements, as mace-torch does: slower, and the same but for the last
        digits.
    """

    without_effect_on_results: ClassVar[frozenset[str]] = frozenset({"max_atoms_per_batch"})

    head: str | None = None
    max_atoms_per_batch: Annotated[int, Field(strict=True, ge=1)] | None = None
    all_elements: Annotated[bool, Field(strict=True)] = False


def _load(resolved: ResolvedPotential) -> MACEPotential:
    return MACEPotential(
        resolved.info,
        resolved.weights(),
        dtype=resolved.dtype,
        device=resolved.settings.device,
        **MACEOptions.model_validate(resolved.settings.kwargs).model_dump(),
    )


def _is_mace_file(name: str) -> bool:
    """Whether a file named like a model holds a pickled object of mace-torch; nothing of it is run."""
    if not name.lower().endswith(FAMILY.pickled):
        return False
    try:
        with zipfile.ZipFile(Path(name).expanduser()) as archive:
            pickles = [member for member in archive.namelist() if member.endswith("data.pkl")]
            return any(b"mace." in archive.read(member) for member in pickles)
    except (OSError, zipfile.BadZipFile, RuntimeError):  # RuntimeError: encrypted, or packed in a new way
        return False


_ASL = "Academic Software License (ASL): non-commercial academic use, https://github.com/gabor1/ASL"
_LICENCES = {"MIT": "MIT", "ASL": _ASL, "": "see https://github.com/ACEsuit/mace-foundations"}
_CITATION = "Batatia et al., A foundation model for atomistic materials chemistry, arXiv:2401.00096 (2023)"
_REFERENCES = {
    "": "",
    "MatPES": "; Kaplan et al., A foundational potential energy surface dataset, arXiv:2503.04070",
    "OMat24": "; Barroso-Luque et al., Open Materials 2024, arXiv:2410.12771",
}
_RELEASES = "https://github.com/ACEsuit/{}/releases/download/{}.model"


def _entry(row: Mapping[str, str]) -> Entry:
    """A model of the table, under its names, also with ``mace-`` before them; its file is without suffix."""
    name, *others = row["names"].split()
    aliases = [*others, *(f"mace-{text}" for text in (name, *others) if not text.startswith("mace-"))]
    answer = _ANSWERS["answers"].get(name)
    several_heads = row["file"].startswith("mace_mh")
    repository = "mace-foundations" if several_heads or "matpes" in row["file"] else "mace-mp"
    return Entry(
        name=name,
        elements=() if several_heads else MATERIALS_PROJECT_ELEMENTS,
        training_data=row["training_data"],
        level_of_theory=row["level_of_theory"],
        licence=_LICENCES[row["licence"]],
        citation=_CITATION + _REFERENCES[row["reference"]],
        notes=row["notes"],
        hessians=False,
        aliases=tuple(aliases),
        url=_RELEASES.format(repository, row["file"]),
        sha256=row["sha256"] or None,
        licence_binds=row["licence"] == "ASL",
        answer=answer
        and KnownAnswer(answer["energy"], as_tuples(answer["forces"]), _ANSWERS["source"], _ANSWERED),
    )


#: The models known by name. First the four of Yang et al., Phys. Chem. Chem. Phys. 28, 4459 (2026), under its
#: names. MACE-MP-0 without a size is the medium one of the first release, the authors' default of that time.
_DATA = files("softmode") / "data"
_TABLE = (_DATA / "mace_models.csv").read_text(encoding="utf-8")
#: Of a structure of C, H and O that mace-torch tests with: answers for CaF2 need the weights.
_ANSWERS = json.loads((_DATA / "mace_answers.json").read_text(encoding="utf-8"))
_ANSWERED = Structure(
    tuple(_ANSWERS["symbols"]), as_tuples(_ANSWERS["positions"]), as_tuples(_ANSWERS["cell"])
)
_ENTRIES = tuple(map(_entry, csv.DictReader(_TABLE.splitlines())))
#: The paper's four models, in the order of its Table 1.
PAPER_MODELS: tuple[str, ...] = tuple(entry.name for entry in _ENTRIES[:4])

FAMILY = Family(
    name="MACE",
    load=_load,
    entries=_ENTRIES,
    package=Package(
        "mace",
        "mace-torch",
        extra="mace",
        beside=("torch",),
        pins=("mace-torch==0.3.16", "e3nn==0.4.4", "torch==2.13.0"),
    ),
    dtypes=("float64", "float32"),
    options=MACEOptions,
    settings=FOR_WEIGHTS,
    repeatable=True,
    suffixes=(".model",),
    pickled=("model", ".pt", ".pth"),
    recognises=_is_mace_file,
    others="a path to a MACE .model file",
    revision=1,
)
