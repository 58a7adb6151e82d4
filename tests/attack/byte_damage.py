"""Damage that knows nothing of what a file says: its bytes, its lines and words, its place among files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from damage import DAMAGES, Damage, Damaged, Random


def _piece(text: str, rng: Random) -> tuple[int, int]:
    """A tenth of the text, at random."""
    length = max(1, len(text) // 10)
    start = int(rng.integers(max(1, len(text) - length)))
    return start, start + length


def _bit(text: str, rng: Random) -> tuple[str, str]:
    at, bit = int(rng.integers(len(text))), int(rng.integers(8))
    return f"{text[:at]}{chr(ord(text[at]) ^ (1 << bit))}{text[at + 1 :]}", f"bit {bit} of byte {at}"


def _cut_at(text: str, rng: Random) -> tuple[str, str]:
    at = int(rng.integers(1, len(text)))
    return text[:at], f"cut after {at} bytes"


def _dropped(text: str, rng: Random) -> tuple[str, str]:
    a, b = _piece(text, rng)
    return text[:a] + text[b:], f"bytes {a} to {b} lost"


def _doubled(text: str, rng: Random) -> tuple[str, str]:
    a, b = _piece(text, rng)
    return text[:b] + text[a:], f"bytes {a} to {b} twice"


def _zeroed(text: str, rng: Random) -> tuple[str, str]:
    a, b = _piece(text, rng)
    return text[:a] + "\0" * (b - a) + text[b:], f"bytes {a} to {b} zero"


def _moved(text: str, rng: Random) -> tuple[str, str]:
    (a, b), (c, _) = _piece(text, rng), _piece(text, rng)
    rest = text[:a] + text[b:]
    return rest[:c] + text[a:b] + rest[c:], f"bytes {a} to {b} moved to {c}"


def _random(text: str, rng: Random) -> tuple[str, str]:
    a, b = _piece(text, rng)
    noise = rng.integers(256, size=b - a, dtype=np.uint8).tobytes().decode("latin-1")
    return text[:a] + noise + text[b:], f"bytes {a} to {b} random"


def _header(text: str, rng: Random) -> tuple[str, str]:
    at, value = int(rng.integers(min(512, len(text)))), int(rng.integers(256))
    return f"{text[:at]}{chr(value)}{text[at + 1 :]}", f"byte {at} is {value}"


def _fixed(said: str, change: Callable[[str], str]) -> Damage:
    return lambda text, rng: (change(text), said)


def _integer(value: int) -> Damage:
    """Another number for one of the first ten lines' integers: a declared size, say."""

    def damage(text: str, rng: Random) -> tuple[str, str]:
        lines = text.split("\n")
        places = [
            (i, j)
            for i, line in enumerate(lines[:40])
            for j, word in enumerate(line.split(" "))
            if word.strip(" ,[]()<>").isdigit()
        ]
        if not places:
            return text, "there is no integer"
        i, j = places[int(rng.integers(len(places)))]
        words = lines[i].split(" ")
        words[j], before = words[j].replace(words[j].strip(" ,[]()<>"), str(value)), words[j]
        return "\n".join(
            [*lines[:i], " ".join(words), *lines[i + 1 :]]
        ), f"{before} → {value} in line {i + 1}"

    return damage


BYTES: dict[str, tuple[Damage, ...]] = {
    "bit": (_bit, _bit, _bit, _header, _header),
    "length": (
        _cut_at,
        _cut_at,
        _fixed("empty", lambda text: ""),
        _fixed("one byte", lambda text: text[:1]),
    ),
    "block": (_dropped, _doubled, _zeroed, _moved, _random),
    "name": tuple(
        _fixed(said, str) for said in ("a folder", "a link to itself", "a link to nothing", "gone")
    ),
}
WORDS: dict[str, tuple[Damage, ...]] = {
    "character": DAMAGES["FORCE_SETS"]["character"][:4] + DAMAGES["POSCAR"]["character"][1:2],
    "fill": DAMAGES["FORCE_SETS"]["fill"][4:],
    "line": (
        DAMAGES["FORCE_SETS"]["length"][1],
        DAMAGES["FORCE_SETS"]["order"][-1],
        DAMAGES["FORCE_SETS"]["duplicate"][-1],
        _fixed("line ends of Windows", lambda text: text.replace("\n", "\r\n")),
        _fixed("mark of the byte order", lambda text: "\xef\xbb\xbf" + text),
        _fixed("a byte that is not UTF-8", lambda text: text[:40] + "\xff" + text[40:]),
    ),
    "size": (_integer(0), _integer(10**9), _integer(10**30), _integer(7)),
}


def place(path: Path, damage: Damaged) -> None:
    """Put a damaged file where the whole one was."""
    path.unlink(missing_ok=True)
    if damage.description == "a folder":
        path.mkdir()
    elif damage.description.startswith("a link"):
        path.symlink_to(path.name if "itself" in damage.description else "nothing")
    elif damage.description != "gone":
        path.write_bytes(damage.text.encode("latin-1"))


def clear(path: Path) -> None:
    """Take it away again."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
