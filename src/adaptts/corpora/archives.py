"""Archives of corpora: fetched from the network or a mirror, verified, unpacked safely.

A file that its publisher gave a checksum is compared with that (`Download.checksum`). Where a host
packs the same files anew, as GitHub does, an archive's checksum proves little: then the name and
content of every file that the corpus takes from it are verified (`Digest`).

Why not pooch: it begins a broken download anew, and these archives have up to 46 GB.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

import requests
from tqdm import tqdm

from adaptts.corpora import manifest
from adaptts.params import CorpusParams

MIRROR_VARIABLE = "ADAPTTS_MIRROR"

_CHUNK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 30.0
_RETRY_DELAYS_SECONDS = (1.0, 2.0, 4.0)
_PARALLEL = 4  # files at a time: hosts of corpora limit each connection's speed
# Left free on the disk by a download: other stages need room too.
_SPARE_BYTES = 1_000_000_000
# Of a file's SHA-256: enough to name a damaged file; `Digest.total` guards against forged ones.
_SHORT_HASH = 16


class ArchiveError(ValueError):
    """An archive cannot be had, or holds what it should not; the message names the remedy."""


@dataclass(frozen=True)
class Digest:
    """The files that an unpacked archive must hold."""

    total: str  # SHA-256 of the lines `name hash`, in the order of names
    files: dict[str, str]  # file name → first digits of its SHA-256

    def problems(self, folder: Path) -> list[str]:
        """What differs in `folder`, one line for each file; empty where nothing does."""
        hashes = {path.name: _hash(path) for path in sorted(folder.iterdir()) if path.is_file()}
        problems = [f"{name} is missing" for name in self.files if name not in hashes]
        problems += [f"{name} does not belong" for name in hashes if name not in self.files]
        problems += [
            f"{name} is not as published"
            for name, full in hashes.items()
            if name in self.files and self.files[name] != full[:_SHORT_HASH]
        ]
        if not problems and total_hash(hashes) != self.total:
            problems.append("the files together are not as published")
        return problems


@dataclass(frozen=True)
class Download:
    """A file that is published."""

    name: str  # in mirrors and under downloads/
    url: str
    most_bytes: int  # it is never longer, nor unpacks to more
    # "sha256:…" or "md5:…" as published; empty where none is.
    checksum: str = field(default="", kw_only=True)

    @property
    def stem(self) -> str:
        """The name without the ending that tells how it is packed."""
        return re.sub(r"(\.tar\.(gz|bz2|xz)|\.tgz|\.zip)$", "", self.name)


@dataclass(frozen=True)
class Archive(Download):
    """A tar file, and what of it is wanted."""

    prefix: str  # the members that are wanted begin with this folder …
    suffix: str  # … and end with this
    digest: Digest


def total_hash(hashes: dict[str, str]) -> str:
    """The `Digest.total` of files whose SHA-256 are given by name."""
    lines = "".join(f"{name} {full}\n" for name, full in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def find_mirror(params: CorpusParams) -> str | None:
    """The folder or URL that the user names to take archives from, if any."""
    return params.mirror or os.environ.get(MIRROR_VARIABLE) or None


def unpack(archive: Archive, downloads: Path, mirror: str | None) -> Path:
    """The folder under `downloads` that holds the wanted files of `archive`, verified.

    What is unpacked already is used if it is whole. Raises `ArchiveError` where the archive cannot
    be had or is not what it should be; then nothing is left unpacked.
    """
    folder = downloads / archive.stem
    if folder.is_dir() and not archive.digest.problems(folder):
        return folder
    (path,) = locate([archive], downloads, mirror)
    with _appearing(folder) as partial_folder:
        extract(archive, path, partial_folder, partial(_wanted_name, archive))
        problems = archive.digest.problems(partial_folder)
        manifest.fail(problems, f"{path} holds other files than published. {_remedy(path)}")
    return folder


def unpack_trees(
    packed: Sequence[Download], suffixes: tuple[str, ...], downloads: Path, mirror: str | None
) -> list[Path]:
    """For each archive, the folder under `downloads` with those of its files that end so.

    The archives' own folders are kept. What is unpacked already is used; what is not is downloaded
    side by side, then unpacked. Raises `ArchiveError` as `unpack` does.
    """

    def wanted(name: str) -> str | None:
        return name if name.endswith(suffixes) else None

    folders = [downloads / each.stem for each in packed]
    missing = [each for each, folder in zip(packed, folders, strict=True) if not folder.is_dir()]
    for each, path in zip(missing, locate(missing, downloads, mirror), strict=True):
        # Unpacked, speech needs no less room than packed.
        _check_room(downloads, path.stat().st_size, f"unpack {path}")
        with _appearing(downloads / each.stem) as partial_folder:
            extract(each, path, partial_folder, wanted)
    return folders


def locate(wanted: Sequence[Download], downloads: Path, mirror: str | None) -> list[Path]:
    """The files: in `downloads`, in the mirror, or downloaded now, side by side; each verified."""
    downloads.mkdir(parents=True, exist_ok=True)
    paths = [_find(each, downloads, mirror) for each in wanted]
    absent = [each for each, path in zip(wanted, paths, strict=True) if path is None]
    urls = [f"{mirror.rstrip('/')}/{each.name}" if mirror else each.url for each in absent]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        needed = sum(pool.map(_length, urls))
        _check_room(downloads, needed, f"download {', '.join(each.name for each in absent)}")
        list(pool.map(partial(_fetch, downloads), absent, urls))
    found = [path or downloads / each.name for each, path in zip(wanted, paths, strict=True)]
    for each, path in zip(wanted, found, strict=True):
        _check_sum(each, path)
    return found


def _find(wanted: Download, downloads: Path, mirror: str | None) -> Path | None:
    """Where the file is already, or None if it has to be downloaded."""
    path = downloads / wanted.name
    if path.is_file():
        return path
    if not mirror or mirror.startswith(("http://", "https://")):
        return None
    mirrored = Path(mirror).expanduser() / wanted.name
    if not mirrored.is_file():
        raise ArchiveError(
            f"the mirror {mirror} has no {wanted.name}; put it there, or name another folder "
            f"or URL as corpus.mirror or in {MIRROR_VARIABLE}"
        )
    return mirrored


def _fetch(downloads: Path, wanted: Download, url: str) -> None:
    try:
        download(url, downloads / wanted.name, wanted.most_bytes)
    except requests.RequestException as error:
        raise ArchiveError(
            f"{url} cannot be downloaded: {error}. Get {wanted.name} by another way and put it in "
            f"{downloads}/, or name a folder or URL that has it as corpus.mirror or in "
            f"{MIRROR_VARIABLE}"
        ) from None


def _length(url: str) -> int:
    """The bytes of a file by its server's word; 0 where it does not say."""
    try:
        answer = requests.head(url, timeout=_TIMEOUT_SECONDS, allow_redirects=True)
        return int(answer.headers.get("Content-Length", 0)) if answer.ok else 0
    except (requests.RequestException, ValueError):
        return 0  # The download itself will tell what is wrong.


def _check_room(folder: Path, needed_bytes: int, purpose: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed_bytes and free < needed_bytes + _SPARE_BYTES:
        raise ArchiveError(
            f"{folder} has {free / 1e9:.1f} GB free; to {purpose} takes {needed_bytes / 1e9:.1f} "
            f"GB, and {_SPARE_BYTES / 1e9:.0f} GB are to stay free: make room, or unpack it "
            "elsewhere and name that copy as corpus.path"
        )


def _check_sum(wanted: Download, path: Path) -> None:
    if not wanted.checksum:
        return
    method, _, published = wanted.checksum.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, method).hexdigest()
    if found != published:
        raise ArchiveError(
            f"{path} is not as published: its {method} is {found}, not {published}. "
            f"{_remedy(path)}; if you trust it, unpack it and name that copy as corpus.path"
        )


@contextlib.contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` if the block succeeds."""
    partial_folder = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir(parents=True)
    try:
        yield partial_folder
    except BaseException:
        shutil.rmtree(partial_folder)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    partial_folder.rename(folder)


def download(
    url: str,
    path: Path,
    most_bytes: int,
    retry_delays_seconds: Sequence[float] = _RETRY_DELAYS_SECONDS,
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> None:
    """Download `url` to `path`, which appears only when whole.

    A download that breaks off, or stalls for the timeout, is retried after each delay, and resumed
    from where it stands if the server can, also by a later call. Raises
    `requests.RequestException` where nothing helps.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    for delay_seconds in [*retry_delays_seconds, None]:
        try:
            _receive(url, partial, most_bytes, timeout_seconds)
            break
        except requests.RequestException as error:
            if delay_seconds is None or not _is_passing(error):
                raise
            time.sleep(delay_seconds)
        except (OSError, ArchiveError):  # a full disk; no such archive
            partial.unlink(missing_ok=True)
            raise
    partial.rename(path)


def extract(
    archive: Download, path: Path, folder: Path, wanted: Callable[[str], str | None]
) -> None:
    """Unpack those members of the archive at `path` into `folder` that `wanted` gives a name there.

    Raises `ArchiveError` for a file that is damaged or no archive, for any member that could write
    elsewhere, for a device, and for a wanted one that is a link.
    """
    try:
        with tarfile.open(path, "r:*") as members:
            for member in _checked(archive, path, members):
                name = wanted(member.name.removeprefix("./"))
                if name and (member.issym() or member.islnk()):
                    raise _unfit(member, path, "is a link")
                source = members.extractfile(member) if name and member.isreg() else None
                if name and source:
                    _write(source, folder / name)
    except FileExistsError as error:
        name = Path(error.filename).name
        raise ArchiveError(f"{path} holds {name!r} twice. {_remedy(path)}") from None
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the disk's, not the archive's
            raise
        kind = archive.name.removeprefix(archive.stem)
        reason = " ".join(str(error).split())
        raise ArchiveError(
            f"{path} is truncated, damaged or no {kind} archive ({reason}). {_remedy(path)}"
        ) from None


def _checked(archive: Download, path: Path, members: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members, none of which lies elsewhere or is a device, nor all too large."""
    unpacked_bytes = 0
    for member in members:
        if not manifest.is_within(member.name):
            raise _unfit(member, path, "lies outside the archive's own folder")
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            raise _unfit(member, path, "is a device, neither file nor folder")
        unpacked_bytes += member.size
        if unpacked_bytes > archive.most_bytes:
            raise ArchiveError(
                f"{path} unpacks to more than {archive.most_bytes} bytes at member "
                f"{member.name!r}. {_remedy(path)}"
            )
        yield member


def _unfit(member: tarfile.TarInfo, path: Path, problem: str) -> ArchiveError:
    return ArchiveError(f"{path}: member {member.name!r} {problem}. {_remedy(path)}")


def _write(source: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        shutil.copyfileobj(source, target)


def _wanted_name(archive: Archive, name: str) -> str | None:
    """The file name of a member that is wanted, or None."""
    inner = name.removeprefix(archive.prefix)
    wanted = inner != name and inner.endswith(archive.suffix) and "/" not in inner
    return inner if wanted else None


def _remedy(path: Path) -> str:
    return f"Delete {path.name} and run again to download it anew, or mend the mirror"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_passing(error: requests.RequestException) -> bool:
    """Whether another attempt may succeed."""
    if error.response is not None:
        return error.response.status_code >= 500 or error.response.status_code in (408, 429)
    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, broken)


def _receive(url: str, partial: Path, most_bytes: int, timeout_seconds: float) -> None:
    """Append the rest of `url` to `partial`, or write all of it where the server cannot resume."""
    have = partial.stat().st_size if partial.exists() else 0
    # Not to be unpacked on the way: bytes received are bytes of the file.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=timeout_seconds) as response:
        if have and response.status_code == 416:  # what is there is no beginning of the file
            partial.unlink()
            return _receive(url, partial, most_bytes, timeout_seconds)
        response.raise_for_status()
        resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if resumed and response.status_code == 206 else 0
        length = int(response.headers.get("Content-Length", 0))
        with (
            partial.open("ab" if have else "wb") as file,
            tqdm(
                desc=url.rpartition("/")[2],
                initial=have,
                total=have + length or None,
                unit="B",
                unit_scale=True,
                disable=None,
            ) as bar,
        ):
            for chunk in response.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > most_bytes:
                    raise ArchiveError(f"{url} is longer than {most_bytes} bytes; mend the mirror")
    return None
