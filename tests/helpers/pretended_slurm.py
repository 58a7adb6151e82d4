"""Commands of Slurm that start what is submitted on this machine, for Parsl's provider to call."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: Each job is a session of its own, known by the number of its first process. Parsl puts commas between jobs.
_COMMANDS = {
    "sbatch": "{before}setsid {start} $1 > $1.stdout 2> $1.stderr < /dev/null & echo Submitted batch job $!",
    "squeue": 'IFS=,; for one in ${@: -1}; do kill -0 $one && echo "$one R"; done 2> /dev/null; true',
    "scancel": 'for one in "$@"; do kill -KILL -- "-$one"; done; true',
    "sacct": "exit 1",
}


def write_commands(folder: Path, called: Path, *, before: str = "", start: str = "bash") -> str:
    """Write the commands into a folder.

    Parameters
    ----------
    folder : Path
        Where to.
    called : Path
        File that they note in how they are called.
    before : str
        Lines of the shell that are run before a job is started.
    start : str
        What a job's script is started with.

    Returns
    -------
    str
        ``PATH`` with the folder first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in _COMMANDS.items():
        path = folder / name
        line = script.replace("{before}", before).replace("{start}", start)
        path.write_text(f"#!/bin/bash\necho {name} \"$@\" >> '{called}'\n{line}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
