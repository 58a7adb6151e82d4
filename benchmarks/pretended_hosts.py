"""Several hosts on one machine: namespaces of network, names, processes and mounts, on one bridge.

Each has an address and a host name of its own, sees its own processes only, and dies as a whole. Needs root
of Linux. Jobs come to them through commands of Slurm (``tests/helpers/pretended_slurm.py``) that start a
submitted script on the next host and end it at its wall time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pretended_slurm import write_commands

_BRIDGE = "softmode0"
_NETWORK = "10.77.31"

#: Chooses the next host that lives, and the time that the script asks for (Parsl gives minutes).
_CHOOSE = r"""
cd '{state}'
minutes=$(sed -n 's/^#SBATCH --time=//p' "$1"); seconds=$((60 * ${minutes:-60}))
turn=$(($(cat turn) + 1)); echo $turn > turn
for try in $(seq {n}); do
  host=host$(((turn + try) % {n} + 1)); first=$(cat $host)
  kill -0 $first 2> /dev/null && break
done
kill -0 $first 2> /dev/null || { echo 'sbatch: error: no host lives' >&2; exit 1; }
cd "$OLDPWD"
"""
_START = (
    "timeout --signal=KILL $seconds nsenter --target $first --net --uts --pid --mount"
    """ bash -c 'cd "$1" && exec bash "$2"' job "$PWD" """
)


class Hosts:
    """The hosts, as long as the context lasts.

    Parameters
    ----------
    folder : Path
        Where their commands are, and notes of what is alive.
    n : int
        How many.
    """

    def __init__(self, folder: Path, n: int) -> None:
        self.names = [f"host{number}" for number in range(1, n + 1)]
        self._state = folder / "hosts"
        self._first: dict[str, subprocess.Popen[bytes]] = {}
        self._n = n
        self.path = ""

    def __enter__(self) -> Hosts:
        shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir(parents=True)
        (self._state / "turn").write_text("0\n")
        choose = _CHOOSE.replace("{state}", str(self._state)).replace("{n}", str(self._n))
        self.path = write_commands(self._state / "bin", self._state / "called", before=choose, start=_START)
        self._remove()
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{_NETWORK}.1/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        for number, name in enumerate(self.names, start=1):
            space = f"softmode-{name}"
            _ip("netns", "add", space)
            _ip("link", "add", f"sm{number}", "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("link", "set", f"sm{number}", "master", _BRIDGE, "up")
            _ip("-n", space, "addr", "add", f"{_NETWORK}.{10 + number}/24", "dev", "eth0")
            _ip("-n", space, "link", "set", "eth0", "up")
            _ip("-n", space, "link", "set", "lo", "up")
            self.start(name)
        return self

    def __exit__(self, *raised: object) -> None:
        for name in self.names:
            self.kill(name)
        self._remove()

    def start(self, name: str) -> None:
        """Start a host, with no process but its first."""
        command = ["ip", "netns", "exec", f"softmode-{name}", "unshare", "--uts", "--pid", "--mount"]
        command += ["--fork", "--kill-child", "--mount-proc"]
        command += ["sh", "-c", f"hostname {name}; echo ready; while :; do sleep 1000; done"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.readline()
        self._first[name] = process
        [first] = _children(process.pid)
        (self._state / name).write_text(f"{first}\n")

    def kill(self, name: str) -> None:
        """End a host: its first process, and the kernel all others with it."""
        with contextlib.suppress(ProcessLookupError, ValueError, OSError):
            os.kill(int((self._state / name).read_text()), signal.SIGKILL)
        self._first[name].wait()

    def lives(self, name: str) -> bool:
        """Whether it does."""
        return self._first[name].poll() is None

    def _remove(self) -> None:
        """Take away what is there of an earlier call."""
        things = [("netns", f"softmode-{name}") for name in self.names]
        things += [("link", f"sm{number}") for number in range(1, self._n + 1)]
        for kind, name in (*things, ("link", _BRIDGE)):
            subprocess.run(["ip", kind, "del", name], stderr=subprocess.DEVNULL, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own (ext4 in a file, made where it is not there), mounted meanwhile."""
    image, place = folder / "disk.img", folder / "disk"
    place.mkdir(parents=True, exist_ok=True)
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-N", "200000", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def freeze(place: Path, *, thaw: bool = False) -> None:
    """Let whoever writes there wait, or go on."""
    subprocess.run(["fsfreeze", "--unfreeze" if thaw else "--freeze", str(place)], check=True)


@contextlib.contextmanager
def full(place: Path) -> Iterator[None]:
    """Leave no space there, so that what is written is refused."""
    filling = place / "filling"
    try:
        with filling.open("wb") as file:
            for size in (1 << 30, 1 << 26, 1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while True:
                        end = os.fstat(file.fileno()).st_size
                        os.posix_fallocate(file.fileno(), end, size)
        yield
    finally:
        filling.unlink()
