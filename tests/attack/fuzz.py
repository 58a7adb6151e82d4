"""Readers fed what atheris makes of good files, guided by the lines it reaches (``make fuzz``).

``python tests/attack/fuzz.py --seconds 600 --findings DIR [READER ...]`` fuzzes one reader after another,
each in a process of its own, and says how many inputs it was given. A finding is an input after which
anything but a clear error is raised, a number overflows with a warning, more memory than `MEMORY` is asked
for, or a quarter of `SLOWEST` has passed; one file of each kind stays in `DIR`. What ends the process, as a
crash of a C library, is one as well, and the reader is gone on with.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "helpers")]
#: Address space of a process, bytes; seconds for one input; bytes of an input.
MEMORY, SLOWEST, LONGEST = 4 << 30, 20.0, 65536
#: What readers know besides digits.
WORDS = (
    *(
        "nan",
        "inf",
        "-inf",
        "1e300",
        "-1",
        "0",
        "1e-300",
        "1e999",
        "999999999",
        "4294967296",
        "1/0",
        "#",
        "T",
        "auto",
    ),
    *(
        "DIM =",
        "PRIMITIVE_AXES =",
        "MASS =",
        "Selective dynamics",
        "Cartesian",
        "Direct",
        "Lattice=",
        "Properties=",
    ),
    *(
        "species:S:1:pos:R:3",
        ":forces:R:3",
        "<calculation>",
        "</calculation>",
        "<varray name=\\x22forces\\x22>",
    ),
    *(
        "<?xml",
        "\\x00",
        "\\xff",
        "\\xef\\xbb\\xbf",
        "\\x0d\\x0a",
        "sigma",
        "formula",
        "[[potential]]",
        "&a",
        "*a",
    ),
)
#: Where lines count as reached.
READERS = [
    "softmode.datasets",
    "softmode.structures",
    "softmode.records",
    "softmode.crystal",
    "ase.io.extxyz",
]
#: A reader under attack: good files, and what reads one.
Target = tuple[list[bytes], Callable[[bytes], object]]


def targets(folder: Path) -> dict[str, Target]:
    """Readers by the file they read, with small good files.

    Parameters
    ----------
    folder : Path
        Is written to.
    """
    import numpy as np
    from phonopy.file_IO import get_FORCE_CONSTANTS_lines, write_force_constants_to_hdf5
    from tiny_study import write_metal
    from trajectory_cases import make_case, write_case, write_vibes
    from victims import _LABELS, _STUDY

    from softmode.datasets.ase_trajectory import read_ase_trajectory, read_extended_xyz
    from softmode.datasets.phonopy_loading import NO_OPTIONS, load_folder
    from softmode.datasets.plausibility import CHECKS, plausible
    from softmode.datasets.reading import ByteStream, Files
    from softmode.datasets.trajectory_frames import FrameCollector
    from softmode.datasets.vasprun import read_vasprun
    from softmode.datasets.vibes_file import parse_vibes, read_vibes_frames
    from softmode.records import Failure, Record
    from softmode.records.headers import HeaderCache, _summed
    from softmode.records.store import _of_header, make_header
    from softmode.structures.labels import read_labels
    from softmode.study.settings import load_study

    metal = write_metal(folder / "CuAu", "CuAu")
    whole = {path.name: path.read_bytes() for path in metal.iterdir()}
    phi = np.zeros((16, 16, 3, 3))
    phi[range(16), range(16)] = 2.0 * np.eye(3)
    write_force_constants_to_hdf5(phi, str(folder / "phi.hdf5"))
    case = make_case(n_frames=2)
    write_vibes(case, folder / "trajectory.nc")

    def beside(*names: str) -> dict[str, bytes]:
        return {name: whole[name] for name in names}

    def of_folder(name: str, others: dict[str, bytes]) -> Callable[[bytes], object]:
        def read(data: bytes) -> object:
            contents = {**others, name: data}
            files = Files("folder", "folder", tuple(sorted(contents)), None, contents)
            return plausible(load_folder("folder", files, NO_OPTIONS), CHECKS, "folder")

        return read

    def frames(reader: Callable[[ByteStream, FrameCollector], None]) -> Callable[[Path], object]:
        def read(path: Path) -> object:
            collector = FrameCollector(0, 1)
            reader(ByteStream(path), collector)
            return collector.trajectory(str(path))

        return read

    def file_of(name: str, reader: Callable[[Path], object]) -> Callable[[bytes], object]:
        def read(data: bytes) -> object:
            (folder / name).write_bytes(data)
            return reader(folder / name)

        return read

    structure = beside("POSCAR", "phonopy.conf")
    born = b"default\n" + b"4 0 0 0 4 0 0 0 4\n" + b"1 0 0 0 1 0 0 0 1\n-1 0 0 0 -1 0 0 0 -1\n"
    made = [
        Record("ab" * 32, "harmonic", {"x": 1}, {"a_THz": 1.0}, {"w": np.eye(3)}),
        Record("ab" * 32, "harmonic", {}, failure=Failure("InputData", "x: no. Do.", False)),
    ]
    headers = HeaderCache(folder / "headers")
    for record in made:
        headers.keep(make_header(record, (1, 2)))
    headers.flush()
    # without the checksums, behind which nothing would be reached: records are not read without theirs
    lines = b"\n".join(line[9:] for line in (folder / "headers").read_bytes().splitlines())

    def header(data: bytes) -> object:
        said = [_summed(line) for line in data.decode(errors="replace").splitlines()]
        (folder / "headers").write_text("\n".join(said), encoding="utf-8")
        found = HeaderCache(folder / "headers").find(made[0].key, (1, 2))
        return None if found is None else _of_header(found)

    def vibes(path: Path) -> object:
        parse_vibes(ByteStream(path))
        return frames(read_vibes_frames)(path)

    written = {name: write_case(case, folder / name).read_bytes() for name in ("v.xml", "r.extxyz", "r.traj")}
    type_2 = np.hstack([np.full((32, 3), 0.01), np.full((32, 3), 0.1)])
    sets = [whole["FORCE_SETS"], "\n".join(" ".join(map(str, row)) for row in type_2).encode()]
    constants = [get_FORCE_CONSTANTS_lines(phi), get_FORCE_CONSTANTS_lines(phi[::8], np.array([0, 8]))]
    return {
        "FORCE_SETS": (sets, of_folder("FORCE_SETS", structure)),
        "FORCE_CONSTANTS": (
            ["\n".join(x).encode() for x in constants],
            of_folder("FORCE_CONSTANTS", structure),
        ),
        "force_constants.hdf5": (
            [(folder / "phi.hdf5").read_bytes()],
            of_folder("force_constants.hdf5", structure),
        ),
        "POSCAR": ([whole["POSCAR"]], of_folder("POSCAR", beside("FORCE_SETS", "phonopy.conf"))),
        "phonopy.conf": ([whole["phonopy.conf"]], of_folder("phonopy.conf", beside("POSCAR", "FORCE_SETS"))),
        "BORN": ([born], of_folder("BORN", whole)),
        "vasprun.xml": ([written["v.xml"]], file_of("vasprun.xml", frames(read_vasprun))),
        "run.extxyz": ([written["r.extxyz"]], file_of("run.extxyz", frames(read_extended_xyz))),
        "run.traj": ([written["r.traj"]], file_of("run.traj", frames(read_ase_trajectory))),
        "trajectory.nc": ([(folder / "trajectory.nc").read_bytes()], file_of("trajectory.nc", vibes)),
        "labels.csv": ([_LABELS], file_of("labels.csv", read_labels)),
        "study.toml": ([_STUDY], file_of("study.toml", load_study)),
        "headers": ([lines], header),
    }


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Findings:
    """What was found, one of each kind.

    Parameters
    ----------
    folder : Path
        Gets the inputs.
    name : str
        Of the reader.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name, self.n_inputs = folder, name, 0
        self.seen: set[str] = set()

    def keep(self, data: bytes, kind: str, said: str) -> None:
        if kind in self.seen:
            return
        self.seen.add(kind)
        path = self.folder / f"{self.name}-{hashlib.sha256(kind.encode()).hexdigest()[:8]}"
        path.write_bytes(data)
        path.with_suffix(path.suffix + ".txt").write_text(said)
        say(f"FOUND {kind} ({path.name})")


def one_input(read: Callable[[bytes], object], findings: Findings, data: bytes) -> None:
    """Read an input, and look at what comes of it."""
    from softmode.errors import SoftmodeError, printable

    started = time.monotonic()
    findings.n_inputs += 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            read(data)
    except SoftmodeError as error:
        if str(error) != printable(str(error)) or len(str(error)) > 2000:
            findings.keep(data, f"message of {type(error).__name__}", repr(str(error)))
    except Exception as error:  # noqa: BLE001 - what is looked for
        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if "softmode" in frame.filename
        ]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        findings.keep(data, f"{type(error).__name__} at {where}", traceback.format_exc())
    if time.monotonic() - started > SLOWEST / 4:
        findings.keep(data, "slow", f"{time.monotonic() - started:.0f} s")


def fuzz(name: str, seconds: int, found: Path, corpus: Path) -> None:
    """Fuzz one reader in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=READERS):
        import victims  # noqa: F401 - and with it all readers
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    folder = Path(tempfile.mkdtemp(dir=corpus.parent))
    seeds, read = targets(folder)[name]
    for number, seed in enumerate(seeds):
        (corpus / f"whole{number}").write_bytes(seed)
        read(seed)
    words = folder / "words"
    words.write_text("".join(f'"{word}"\n' for word in WORDS))
    findings = Findings(found, name)
    limits = (
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={SLOWEST:.0f}",
        "-rss_limit_mb=0",
    )
    told = (f"-dict={words}", f"-artifact_prefix={found}/{name}-", "-print_final_stats=1", "-len_control=0")
    atheris.Setup([name, *limits, *told, str(corpus)], lambda data: one_input(read, findings, data))
    atheris.Fuzz()


def rounds(name: str, seconds: int, found: Path) -> set[str]:
    """Fuzz one reader for so long, going on where an input ends the process; says what was found."""
    ends, inputs, places, kinds = time.monotonic() + seconds, 0, 0, set()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        while (left := round(ends - time.monotonic())) > 5:
            command = [sys.executable, __file__, "--seconds", str(left), "--findings", str(found), name]
            process = subprocess.run(
                [*command, "--corpus", str(corpus)], capture_output=True, text=True, errors="replace"
            )
            said = process.stdout + process.stderr
            kinds |= set(re.findall(r"^FOUND (.*)$", said, re.MULTILINE))
            kinds |= set(re.findall(r"SUMMARY: (.*)$", said, re.MULTILINE))
            runs = re.findall(r"number_of_executed_units: (\d+)", said)
            if not runs:
                sys.exit(said)
            inputs += int(runs[-1])
            places = max([places, *map(int, re.findall(r"cov: (\d+)", said))])
    say(f"{name}: {inputs} inputs, {places} places reached, {len(kinds)} findings")
    for kind in sorted(kinds):
        say(f"  {kind}")
    return kinds


def main() -> int:
    """Fuzz readers one after another; 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--corpus", type=Path, help="fuzz in this process")
    parser.add_argument("readers", nargs="*")
    given = parser.parse_args()
    given.findings.mkdir(parents=True, exist_ok=True)
    if given.corpus is not None:
        fuzz(given.readers[0], given.seconds, given.findings, given.corpus)
    with tempfile.TemporaryDirectory() as folder:
        names = given.readers or list(targets(Path(folder)))
    found = [rounds(name, given.seconds, given.findings) for name in names]
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
