"""What a command imports, and the processor time it takes, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

_THEN_MODULES = """
import json, sys
sys.argv = ["softmode", *sys.argv[1:]]
before = set(sys.modules)
from softmode.cli.app import main
try:
    main()
except SystemExit:
    pass
print("\\n" + json.dumps(sorted(set(sys.modules) - before)))
"""


def imported(*arguments: str) -> set[str]:
    """Modules besides the standard library that a command imports; other packages by their first name."""
    done = subprocess.run(
        [sys.executable, "-c", _THEN_MODULES, *arguments], capture_output=True, text=True, check=True
    )
    modules = json.loads(done.stdout.splitlines()[-1])
    names = {name if name.startswith("softmode") else name.partition(".")[0] for name in modules}
    return {name for name in names - set(sys.stdlib_module_names) if not name.startswith("_sysconfigdata")}


def processor_time(*arguments: str) -> float:
    """Seconds of processor time that a command takes, at best of three."""
    best = float("inf")
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-m", "softmode", *arguments], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        best = min(best, usage.ru_utime + usage.ru_stime)
    return best
