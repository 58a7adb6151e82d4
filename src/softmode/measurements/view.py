"""What a measurement sees: exactly what it declares, loaded when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from pydantic import BaseModel

from softmode.crystal import Material, Trajectory
from softmode.datasets.plausibility import ACCEPTED
from softmode.errors import ChangedInputError, InputDataError, SettingsError, UndeclaredInputError
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.measurements.calls import CountedPotential
from softmode.measurements.conditions import Conditions, Table, canonical
from softmode.measurements.declaration import Facts, Given, Use
from softmode.measurements.pieces import Help
from softmode.measurements.registry import table_of
from softmode.numerics import arithmetic
from softmode.potentials.base import Potential
from softmode.records import Partial, Record

T = TypeVar("T")
P = ParamSpec("P")


def _nothing(replica: int, step: int) -> None:
    """Tell nobody."""


@dataclass(eq=False)
class Sources:
    """Where the data of a case come from; a measurement reaches them through its :class:`View`.

    Parameters
    ----------
    facts : Facts
        What they are.
    load_material, load_trajectory, load_potential : callable
        Load them; None where there are none.
    potential_name : str
        For messages.
    loaded : dict
        What has been loaded and derived; shared by all cases of a material.
    """

    facts: Facts
    load_material: Callable[[], Material]
    load_trajectory: Callable[[], Trajectory] | None = None
    load_potential: Callable[[], Potential] | None = None
    potential_name: str = ""
    loaded: dict[Any, Any] = field(default_factory=dict)

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """What was made under this key, made when first asked for."""
        if key not in self.loaded:
            self.loaded[key] = make()
        return cast(T, self.loaded[key])

    @property
    def material(self) -> Material:
        """The material with its reference data; refused when they are not those the facts speak of."""
        return self.once("material", self._material)

    @property
    def trajectory(self) -> Trajectory:
        """The reference trajectory; refused when it is not the one the facts speak of."""
        return self.once("trajectory", self._trajectory)

    def _material(self) -> Material:
        facts = self.facts
        try:
            material = self.load_material()
        except InputDataError as error:  # they could be read when the study was opened
            raise ChangedInputError(
                error.subject,
                f"its files have changed since they were first read: now {error.problem}",
                "Put them back, or correct them, and run again",
            ) from error
        read = material.structure_digest, material.reference_digest
        _require_unchanged(material.name, "structure and reference", read, (facts.structure, facts.reference))
        return material

    def _trajectory(self) -> Trajectory:
        if self.load_trajectory is None:
            raise AssertionError("measurements of trajectories are planned only where there is one")
        trajectory = self.load_trajectory()
        _require_unchanged(self.material.name, "trajectory", trajectory.digest, self.facts.trajectory)
        return trajectory


def _require_unchanged(name: str, what: str, read: object, told: object) -> None:
    """Refuse data that are not those a record would be stored for: it would be kept for good."""
    if read != told:
        raise ChangedInputError(
            name,
            f"its files have changed since they were first read: the {what} read now are not those that "
            "this result would be stored for",
            "Run again: they are then read as they are now",
        )


def shared_size(n_atoms: int, n_frames: int) -> int:
    """About how much memory is held by what the potentials of a material share, bytes.

    Parameters
    ----------
    n_atoms, n_frames : int
        Atoms of the supercell, and frames of the reference trajectory.
    """
    # measured for phonons: 0.8 to 1 MB for 36 to 40 atoms, 1.3 for 64, 2.3 to 3.8 for 128 to 135, 4.7 for 112
    # of low symmetry; σ adds full force constants, and of frames positions, displacements, forces, harmonic
    return (1 << 19) + 500 * n_atoms**2 + 4 * 24 * n_frames * n_atoms


def loaded_size(loaded: Mapping[Any, Any]) -> int:
    """About how much memory what is loaded and derived of a material holds, bytes."""
    trajectory, material = loaded.get("trajectory"), loaded.get("material")
    return shared_size(
        0 if material is None else material.n_supercell_atoms,
        0 if trajectory is None else trajectory.n_frames,
    )


class View:
    """What one measurement of one case may use, and nothing else.

    Reading what is not declared raises :class:`~softmode.errors.UndeclaredInputError`: a result cannot depend
    on what is not in the key of its record.

    Parameters
    ----------
    sources : Sources
        Material, trajectory and potential.
    conditions : Conditions
        Of the study or command.
    uses : iterable of Use
        What may be read.
    who : str
        Who reads, for messages.
    records : mapping of str to Record
        Records of the measurements it requires.
    partial : Partial, optional
        Where a long measurement keeps what it has, so that it can go on after an interruption.
    advance : callable
        Told of each step of molecular dynamics, possibly from threads: replica, and number of the step.
    help : Help, optional
        Given where this process only helps with what another makes.

    Attributes
    ----------
    uses : frozenset of str
        What may be read.
    calls : int
        Configurations that the potential has been asked for, here or by others for the same.
    seconds_elsewhere : float
        How long these others took for them.
    """

    def __init__(
        self,
        sources: Sources,
        conditions: Conditions,
        uses: Iterable[Use],
        *,
        who: str,
        records: Mapping[str, Record] | None = None,
        partial: Partial | None = None,
        advance: Callable[[int, int], None] = _nothing,
        help: Help | None = None,
    ) -> None:
        self._sources, self._conditions, self._who = sources, conditions, who
        uses = tuple(uses)
        self._given = {use.name: use for use in uses if isinstance(use, Given)}
        self.uses = frozenset(use for use in uses if isinstance(use, str))
        if "reference" in self.uses:
            self.uses |= {"structure"}
        self.records: Mapping[str, Record] = _Declared(records or {}, who)
        self.partial = partial
        self.advance = advance
        self.help = help
        self.calls, self.seconds_elsewhere = 0, 0.0

    def inputs(self) -> dict[str, Any]:
        """What the result depends on besides other records, JSON-able: the key is made from this."""
        values = {name: self.given(name) for name in self._given}
        values |= {
            use: self._value(use) for use in self.uses if use != "structure" or "reference" not in self.uses
        }
        facts = self._sources.facts
        if ACCEPTED in facts.tags and (self.uses & {"reference", "trajectory"} or not facts.reference):
            values[ACCEPTED] = facts.tags[ACCEPTED]
        return {"threads": self.threads, **values}

    def _value(self, use: str) -> Any:
        facts = self._sources.facts
        if use in ("structure", "reference", "trajectory", "potential"):
            return getattr(facts, use)
        if use.startswith("tags."):
            return facts.tags.get(use.removeprefix("tags."), "")
        try:
            return canonical(self._conditions.value(use))
        except AttributeError:
            raise SettingsError(
                self._who, f"uses {use!r}, which there is not", "Correct its `uses`"
            ) from None

    def _demand(self, use: str) -> None:
        """Refuse what is declared neither itself nor as part of something larger."""
        parts = use.split(".")
        if not any(".".join(parts[:n]) in self.uses for n in range(1, len(parts) + 1)):
            raise UndeclaredInputError(
                self._who, f"reads {use!r}, which it does not declare", "Add it to `uses` of the measurement"
            )

    @property
    def name(self) -> str:
        """Name of the material, for messages."""
        return self._sources.material.name

    @property
    def potential_name(self) -> str:
        """Name of the potential, for messages."""
        return self._sources.potential_name

    @property
    def threads(self) -> int:
        """Threads of the numerical libraries; part of every key."""
        return self._conditions.threads

    @property
    def structure(self) -> Material:
        """The crystal without its reference data."""
        self._demand("structure")
        sources = self._sources

        def bare() -> Material:
            whole = sources.material
            return Material(
                name=whole.name,
                formula=whole.formula,
                unitcell=whole.unitcell,
                supercell_matrix=whole.supercell_matrix,
                primitive_matrix=whole.primitive_matrix,
            )

        return sources.once("structure", bare)

    @property
    def reference(self) -> Material:
        """The crystal with its reference data."""
        self._demand("reference")
        return self._sources.material

    @property
    def has_reference(self) -> bool:
        """Whether there are reference data."""
        return bool(self._sources.facts.reference)

    @property
    def has_trajectory(self) -> bool:
        """Whether the reference has a trajectory."""
        return bool(self._sources.facts.trajectory)

    @property
    def trajectory(self) -> Trajectory:
        """The reference trajectory in phonopy's supercell order."""
        self._demand("trajectory")
        return self._sources.trajectory

    @property
    def potential(self) -> Potential:
        """The potential, loaded; what it is asked for is counted."""
        self._demand("potential")
        if self._sources.load_potential is None:
            raise SettingsError(self._who, "needs a potential", "Name one")
        return CountedPotential(self._sources.load_potential(), self._note)

    def _note(self, n_configurations: int) -> None:
        self.calls += n_configurations

    def note_elsewhere(self, n_configurations: int, seconds: float) -> None:
        """What goes into the result and was evaluated by helpers, or before an interruption."""
        self.calls += n_configurations
        self.seconds_elsewhere += seconds

    def arithmetic(self) -> dict[str, Any]:
        """What decides the last bits of what is made here, now."""
        found = arithmetic()
        if "potential" in self.uses and self._sources.load_potential is not None:
            there = self.potential.arithmetic()
            found |= {"potential": there} if there else {}
        return found

    @property
    def seed(self) -> int:
        """Seed of everything random."""
        self._demand("seed")
        return self._conditions.seed

    @property
    def protocol(self) -> HarmonicProtocol:
        """The protocol, as far as it is declared."""
        return cast(HarmonicProtocol, self._gated(self._conditions.protocol, "protocol"))

    def settings(self, kind: type[Table]) -> Table:
        """Settings of a kind, as far as they are declared."""
        return cast(Table, self._gated(self._conditions.of(kind), table_of(kind)))

    def given(self, name: str) -> Any:
        """The value of a :class:`Given`."""
        if name not in self._given:
            self._demand(name)
        return canonical(self._given[name].value(self._conditions, self._sources.facts))

    def tag(self, name: str) -> str:
        """A tag of the material; empty where it has none of that name."""
        self._demand(f"tags.{name}")
        return self._sources.facts.tags.get(name, "")

    def _gated(self, model: BaseModel, path: str) -> Any:
        return model if path in self.uses else _Gate(model, path, self._demand, self.uses)

    def derive(self, function: Callable[..., T], uses: tuple[str, ...], *arguments: Any) -> T:
        """What a function makes of a part of what is declared; made once for equal inputs.

        See :func:`derived`.
        """
        for use in uses:
            self._demand(use)
        narrow = View(self._sources, self._conditions, uses, who=f"{self._who} ({function.__qualname__})")
        key = (function.__module__, function.__qualname__, arguments, repr(sorted(narrow.inputs().items())))
        found = self._sources.once(key, lambda: function(narrow, *arguments))
        self._note(narrow.calls)
        return found


class _Gate:
    """Settings of which only declared fields can be read."""

    def __init__(
        self, model: BaseModel, path: str, demand: Callable[[str], None], uses: frozenset[str]
    ) -> None:
        self.__dict__.update(_model=model, _path=path, _demand=demand, _uses=uses)

    def __getattr__(self, name: str) -> Any:
        path = f"{self._path}.{name}"
        if not hasattr(self._model, name):
            raise AttributeError(f"there is no setting {path}")
        if not any(use.startswith(f"{path}.") for use in self._uses):
            self._demand(path)
            return getattr(self._model, name)
        return _Gate(getattr(self._model, name), path, self._demand, self._uses)


class _Declared(dict[str, Record]):
    """Records of which only those required are there."""

    def __init__(self, records: Mapping[str, Record], who: str) -> None:
        super().__init__(records)
        self._who = who

    def __missing__(self, name: str) -> Record:
        raise UndeclaredInputError(
            self._who,
            f"reads the record of {name!r}, which it does not require",
            "Add it to `requires` of the measurement",
        )


def derived(
    *uses: str,
) -> Callable[[Callable[Concatenate[View, P], T]], Callable[Concatenate[View, P], T]]:
    """Declare a function of a view that several measurements share: made once for equal inputs.

    It sees only what it declares here, which the measurement that calls it must declare as well. Arguments
    besides the view must be hashable. Nobody may modify what it returns.

    Parameters
    ----------
    *uses : str
        As :attr:`Measurement.uses`.
    """

    def declare(function: Callable[Concatenate[View, P], T]) -> Callable[Concatenate[View, P], T]:
        @wraps(function)
        def call(view: View, /, *arguments: P.args, **keywords: P.kwargs) -> T:
            if keywords:
                raise TypeError(f"{function.__qualname__} takes positional arguments only")
            return view.derive(function, uses, *arguments)

        return call

    return declare
