"""Archives of corpora: fetched from the network or a mirror, unpacked safely, verified by content.

An archive's own checksum proves little: hosts pack the same files anew. So what is verified is
the name and content of every file that the corpus takes from it.
"""

import gzip
import hashlib
import os
import shutil
import tarfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from tqdm import tqdm

from adaptts.corpora import manifest
from adaptts.params import CorpusParams

MIRROR_VARIABLE = "ADAPTTS_MIRROR"

_CHUNK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 30.0
_RETRY_DELAYS_SECONDS = (1.0, 2.0, 4.0)
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


@dataclass(frozen=True)
class Archive(Download):
    """A gzipped tar file, named .tar.gz, and what of it is wanted."""

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
    folder = downloads / archive.name.removesuffix(".tar.gz")
    if folder.is_dir() and not archive.digest.problems(folder):
        return folder
    path = locate(archive, downloads, mirror)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        extract(archive, path, partial)
        problems = archive.digest.problems(partial)
        manifest.fail(problems, f"{path} holds other files than published. {_remedy(path)}")
    except BaseException:
        shutil.rmtree(partial)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def locate(archive: Download, downloads: Path, mirror: str | None) -> Path:
    """The archive's file: in `downloads`, in the mirror, or downloaded now."""
    path = downloads / archive.name
    if path.is_file():
        return path
    if mirror and not mirror.startswith(("http://", "https://")):
        mirrored = Path(mirror).expanduser() / archive.name
        if not mirrored.is_file():
            raise ArchiveError(
                f"the mirror {mirror} has no {archive.name}; put it there, or name another folder "
                f"or URL as corpus.mirror or in {MIRROR_VARIABLE}"
            )
        return mirrored
    url = f"{mirror.rstrip('/')}/{archive.name}" if mirror else archive.url
    try:
        download(url, path, archive.most_bytes)
    except requests.RequestException as error:
        raise ArchiveError(
            f"{url} cannot be downloaded: {error}. Get {archive.name} by another way and put it in "
            f"{downloads}/, or name a folder or URL that has it as corpus.mirror or in "
            f"{MIRROR_VARIABLE}"
        ) from None
    return path


def download(
    url: str,
    path: Path,
    most_bytes: int,
    retry_delays_seconds: Sequence[float] = _RETRY_DELAYS_SECONDS,
) -> None:
    """Download `url` to `path`, which appears only when whole.

    A download that breaks off is retried after each delay, and resumed from where it stands if the
    server can, also by a later call. Raises `requests.RequestException` where nothing helps.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    for delay_seconds in [*retry_delays_seconds, None]:
        try:
            _receive(url, partial, most_bytes)
            break
        except requests.RequestException as error:
            if delay_seconds is None or not _is_passing(error):
                raise
            time.sleep(delay_seconds)
        except (OSError, ArchiveError):  # a full disk; no such archive
            partial.unlink(missing_ok=True)
            raise
    partial.rename(path)


def extract(archive: Archive, path: Path, folder: Path) -> None:
    """Unpack the wanted files of the archive at `path` into `folder`.

    Raises `ArchiveError` for a file that is damaged or no archive, and for any member, wanted or
    not, that could write elsewhere or is neither file nor folder.
    """
    unpacked_bytes = 0
    try:
        with tarfile.open(path, "r:gz") as members:
            for member in members:
                _check_member(member, path)
                unpacked_bytes += member.size
                if unpacked_bytes > archive.most_bytes:
                    raise ArchiveError(
                        f"{path} unpacks to more than {archive.most_bytes} bytes at member "
                        f"{member.name!r}. {_remedy(path)}"
                    )
                name = _wanted_name(archive, member)
                source = members.extractfile(member) if name else None
                if name and source:
                    with (folder / name).open("xb") as target:
                        shutil.copyfileobj(source, target)
    except FileExistsError as error:
        name = Path(error.filename).name
        raise ArchiveError(f"{path} holds {name!r} twice. {_remedy(path)}") from None
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ArchiveError(
            f"{path} is truncated, damaged or no .tar.gz archive ({error}). {_remedy(path)}"
        ) from None


def _check_member(member: tarfile.TarInfo, path: Path) -> None:
    if not manifest.is_within(member.name):
        problem = "lies outside the archive's own folder"
    elif not (member.isreg() or member.isdir()):
        problem = "is a link or a device, neither file nor folder"
    else:
        return
    raise ArchiveError(f"{path}: member {member.name!r} {problem}. {_remedy(path)}")


def _wanted_name(archive: Archive, member: tarfile.TarInfo) -> str | None:
    """The file name of a member that is wanted, or None."""
    name = member.name.removeprefix("./").removeprefix(archive.prefix)
    wanted = member.isreg() and name != member.name.removeprefix("./")
    return name if wanted and name.endswith(archive.suffix) and "/" not in name else None


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


def _receive(url: str, partial: Path, most_bytes: int) -> None:
    """Append the rest of `url` to `partial`, or write all of it where the server cannot resume."""
    have = partial.stat().st_size if partial.exists() else 0
    # Not to be unpacked on the way: bytes received are bytes of the file.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as response:
        if have and response.status_code == 416:  # what is there is no beginning of the file
            partial.unlink()
            return _receive(url, partial, most_bytes)
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
