"""What can be fetched: a dataset lists its files; those on a Dataverse and on GitHub are listed here."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from softmode.datasets.names import natural_key
from softmode.datasets.reading import reading
from softmode.downloads import RemoteFile, get_bytes
from softmode.errors import DownloadError, SettingsError

#: Where the Dataverse of the halide double perovskites is; a mirror can be named in the environment.
DATAVERSE = "https://dataverse.harvard.edu"
DATAVERSE_VARIABLE = "SOFTMODE_DATAVERSE_URL"
#: GitHub: its listings and its files. A mirror serves both under one address.
GITHUB_API, GITHUB_FILES = "https://api.github.com", "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class Remote:
    """What ``softmode fetch`` can get of a dataset.

    Parameters
    ----------
    files : callable
        Lists the files of the wanted items (all where None) from a server (its usual one where None).
    items : str
        What an item is, for messages: ``materials (mp-1138 …)``.
    all_at_once : bool
        Whether everything may be asked for, with ``--all``.
    """

    files: Callable[[Sequence[str] | None, str | None], Sequence[RemoteFile]]
    items: str
    all_at_once: bool = True


_DOI = re.compile(r"10\.\d{4,9}/\S+")


def dataverse_files(doi: str, server: str | None = None) -> list[RemoteFile]:
    """Every file of a dataset, restricted ones included, by path.

    Files that the Dataverse has turned into tables are fetched as they were deposited; their checksum is not
    known.

    Parameters
    ----------
    doi : str
        ``10.7910/DVN/…``, also with ``doi:`` or as an address of doi.org.
    server : str, optional
        Address of the Dataverse; else ``$SOFTMODE_DATAVERSE_URL``, else Harvard's.

    Raises
    ------
    SettingsError
        If this is no DOI.
    DownloadError
        If the listing cannot be fetched.
    InputDataError
        If it is not understood.
    """
    base = (server or os.environ.get(DATAVERSE_VARIABLE) or DATAVERSE).rstrip("/")
    found = _DOI.search(doi)
    if found is None:
        raise SettingsError(f"DOI {doi!r}", "this is no DOI", "give one as in 10.7910/DVN/ABCDEF")
    identifier = f"doi:{found.group(0)}"
    url = f"{base}/api/datasets/:persistentId/?persistentId={quote(identifier, safe=':/')}"
    try:
        listing = _json(url)
    except DownloadError as error:
        if error.status != 404:
            raise
        raise DownloadError(
            identifier, f"{base} has no such dataset", "check the DOI, and --server", error.status
        ) from error
    with reading(url, "the listing is not that of a Dataverse", "check --server"):
        files = [_dataverse_file(base, item) for item in listing["data"]["latestVersion"]["files"]]
    return sorted(files, key=lambda file: natural_key(file.path))


def github_files(repository: str, folder: str, server: str | None = None) -> list[RemoteFile]:
    """Files in a folder of a repository on GitHub, verified by their git checksums.

    Parameters
    ----------
    repository, folder : str
        ``owner/name``, and a folder at its top.
    server : str, optional
        Address of a mirror of both the listing and the files; else GitHub.

    Raises
    ------
    DownloadError
        If the listing cannot be fetched.
    InputDataError
        If it is not understood.
    """
    mirror = (server or "").rstrip("/")
    trees = f"{mirror or GITHUB_API}/repos/{repository}/git/trees"
    found = next((item["sha"] for item in _tree(f"{trees}/HEAD") if item["path"] == folder), None)
    if found is None:
        raise DownloadError(trees, f"it has no folder {folder}", "check --server")
    files = f"{mirror or GITHUB_FILES}/{repository}/HEAD/{folder}"
    return [
        RemoteFile(
            f"{files}/{quote(item['path'])}", str(item["path"]), int(item["size"]), f"git:{item['sha']}"
        )
        for item in _tree(f"{trees}/{found}")
        if item["type"] == "blob"
    ]


def _json(url: str) -> Any:
    content = get_bytes(url)
    with reading(url, "the answer is not JSON (a login page, a proxy?)", "check the address and the network"):
        return json.loads(content)


def _tree(url: str) -> list[dict[str, Any]]:
    """Entries of a git tree as GitHub lists them."""
    with reading(url, "the listing is not that of GitHub", "check --server"):
        listing = _json(url)
        if listing.get("truncated"):
            raise ValueError("it is not complete")
        return list(listing["tree"])


def _dataverse_file(base: str, item: dict[str, Any]) -> RemoteFile:
    data = item["dataFile"]
    name, size = str(data.get("filename") or item["label"]), data.get("filesize")
    url, checksum = f"{base}/api/access/datafile/{data['id']}", _checksum(data)
    if data.get("originalFileFormat"):
        name, size = str(data.get("originalFileName") or name), data.get("originalFileSize")
        url, checksum = f"{url}?format=original", ""
    directory = str(item.get("directoryLabel") or "")
    return RemoteFile(
        url=url,
        path=f"{directory}/{name}" if directory else name,
        size=None if size is None else int(size),
        checksum=checksum,
        restricted=bool(item.get("restricted")),
    )


def _checksum(data: dict[str, Any]) -> str:
    given = data.get("checksum") or {}
    kind, value = given.get("type", "MD5"), given.get("value") or data.get("md5") or ""
    return f"{str(kind).lower().replace('-', '')}:{str(value).lower()}" if value else ""
