"""What a measurement is: a function, and everything that its result depends on, said once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from softmode.measurements.conditions import Conditions
    from softmode.measurements.results import MaterialResults, Results
    from softmode.measurements.view import View
    from softmode.panel import Panel


class SettingsTable(BaseModel):
    """Settings of a measurement: a table in a study file, options of its command ``softmode measure``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def completed(cls, given: Mapping[str, Any], protocol: str) -> dict[str, Any]:  # noqa: ARG003
        """What is given, completed by what belongs to a named protocol; not checked here.

        Parameters
        ----------
        given : mapping
            Fields that are given.
        protocol : str
            Name of the protocol; a changed one (``yang2026+``) counts as its base.
        """
        return dict(given)


@dataclass(frozen=True)
class Result:
    """Values (JSON-able) and arrays of a measurement."""

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What a case is: content digests of its sources, and what is known of the material besides.

    Parameters
    ----------
    structure : str
        Digest of unit cell, supercell and primitive cell.
    reference : str
        Digest of structure and reference data together; empty when there are none.
    trajectory : str
        Digest of the reference trajectory; empty when there is none.
    potential : str
        Digest of the potential with its weights and precision; empty when there is none.
    tags : mapping of str to str
        Tags of the material; those that a measurement uses are declared like everything else.
    level_of_theory : str
        Of the training data of the potential, as far as it is known.
    """

    structure: str
    reference: str = ""
    trajectory: str = ""
    potential: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    level_of_theory: str = ""


@dataclass(frozen=True)
class Given:
    """A value that is worked out from the conditions before a measurement is made, and counts by its value.

    Two measurements that are given equal values share a record, whichever setting the values come from.

    Parameters
    ----------
    name : str
        Under which :meth:`View.given` has it.
    value : callable
        From conditions and facts to something JSON-able.
    """

    name: str
    value: Callable[[Conditions, Facts], Any]


#: What a measurement uses: ``"structure"``, ``"reference"`` (with the structure), ``"trajectory"``,
#: ``"potential"``, ``"tags.<name>"``, ``"seed"``, ``"protocol.<field>"``, ``"<table>"`` or
#: ``"<table>.<field>"`` of the settings of any measurement, or a :class:`Given` value.
Use = str | Given
#: The same where it depends on the conditions, or on what the material has.
Uses = tuple[Use, ...] | Callable[["Conditions", Facts], tuple[Use, ...]]


@dataclass(frozen=True)
class Column:
    """A figure that ``softmode measure`` prints and pages show; tables of a study hold all values besides.

    Parameters
    ----------
    name : str
        Key in the values of the result; its unit, if it has one, at the end (``heat_capacity_J_per_molK``).
    title : str
        What it is called, with its unit.
    head : str
        The same on pages, where it stands beside figures of other measurements; `title` when empty.
    better : str
        What is best: ``low``, ``high``, ``target`` (the nearest to `target`); empty: neither good nor bad.
    target : float, optional
        The best value.
    main : bool
        Whether pages show it at first.
    """

    name: str
    title: str
    head: str = ""
    better: str = ""
    target: float | None = None
    main: bool = False


@dataclass(frozen=True)
class Measurement:
    """A measurement: a function, and what its result depends on.

    Parameters
    ----------
    name : str
        Name in records and study files.
    version : int
        Raised when the code changes its results: older records are then computed anew.
    function : callable
        The measurement itself. It is given a :class:`View` of exactly what is declared here.
    uses : tuple or callable
        What it reads; the key of its record is the digest of exactly that.
    requires : tuple of str
        Measurements whose records it reads; their keys are part of its key.
    requires_also : callable, optional
        Further ones under some conditions.
    stops : tuple of str
        What of `uses`, or which field of it, says only when there is enough. Where all of these are given,
        the pieces that the measurement keeps are found without regard to them, and stay after its record is
        stored, so that more can be asked for later.
    title : str
        One line for lists and helps. A measurement without one is only a step on the way to others and cannot
        be asked for by name.
    settings : type, optional
        Its settings.
    table : str
        Name of their table in a study file; that of the measurement when empty.
    columns : tuple of Column
        Figures that are shown for it.
    chapter : str
        Heading of the part of a page that its figures and panels stand in.
    panels : callable, optional
        Makes what pages show, from all results of a study.
    details : callable, optional
        Makes what the page of a single material shows, from all results of the study for it. Reads only the
        arrays it needs: it is asked for every material.
    calls : callable, optional
        About how many configurations the potential is evaluated on.
    divides : callable, optional
        Whether, by what it uses (the inputs of its record), it evaluates configurations that are fixed
        beforehand, with :func:`softmode.measurements.evaluation.forces_on`: several processes can then share
        them.
    record_as : str
        Name under which its records are kept, when it shares them with another measurement: equal inputs
        then have equal keys. Empty: its own name.
    """

    name: str
    version: int
    function: Callable[[View], Result]
    uses: Uses
    requires: tuple[str, ...] = ()
    requires_also: Callable[[Conditions], tuple[str, ...]] | None = None
    stops: tuple[str, ...] = ()
    title: str = ""
    settings: type[SettingsTable] | None = None
    table: str = ""
    columns: tuple[Column, ...] = ()
    chapter: str = ""
    panels: Callable[[Results], Iterable[Panel]] | None = None
    details: Callable[[MaterialResults], Iterable[Panel]] | None = None
    calls: Callable[[View], int] | None = None
    divides: Callable[[Mapping[str, Any]], bool] | None = None
    record_as: str = ""

    @property
    def table_name(self) -> str:
        """Name of the table of its settings in a study file."""
        return self.table or self.name

    def used(self, conditions: Conditions, facts: Facts) -> tuple[Use, ...]:
        """What it uses under these conditions."""
        return self.uses(conditions, facts) if callable(self.uses) else self.uses

    def required(self, conditions: Conditions) -> tuple[str, ...]:
        """What it requires under these conditions."""
        return (*self.requires, *(self.requires_also(conditions) if self.requires_also else ()))
