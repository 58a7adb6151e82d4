"""Parsl's interchange, which hands tasks to nodes, for as long as the process lives that started it.

Left alone it would go on when that is killed, and with it every node, idle until its job ends.
"""

from __future__ import annotations

import os
import runpy
import threading
import time

_LOOK_EVERY = 1.0  # s


def main() -> None:
    """Run it; its settings come from standard input."""
    parent = os.getppid()

    def leave_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY)
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__")


if __name__ == "__main__":
    main()
