import gzip
import hashlib
import io
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import requests
from tqdm import tqdm

from adaptts.corpora import archives
from adaptts.corpora.archives import Archive, ArchiveError, Digest
from adaptts.corpora.manifest import ManifestError

FILES = {"a.wav": b"first", "b.wav": b"second" * 5000}
HASHES = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
DIGEST = Digest(archives.total_hash(HASHES), {name: full[:16] for name, full in HASHES.items()})


def describe(url: str = "http://127.0.0.1:9/tiny.tar.gz") -> Archive:
    return Archive(
        name="tiny.tar.gz",
        url=url,
        prefix="tiny/recordings/",
        suffix=".wav",
        most_bytes=1_000_000,
        digest=DIGEST,
    )


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", **fields) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in fields.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(data))


def pack(path: Path, hostile: Callable[[tarfile.TarFile], None] | None = None) -> Path:
    """A miniature archive, with what `hostile` adds before its last file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        add(tar, "tiny/README.md", b"not wanted")
        add(tar, "tiny/recordings", type=tarfile.DIRTYPE)
        add(tar, "tiny/recordings/a.wav", FILES["a.wav"])
        if hostile:
            hostile(tar)
        add(tar, "tiny/recordings/b.wav", FILES["b.wav"])
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_archive_is_unpacked_from_a_mirror_folder(tmp_path):
    pack(tmp_path / "mirror" / "tiny.tar.gz")
    folder = archives.unpack(describe(), tmp_path / "downloads", str(tmp_path / "mirror"))
    assert folder == tmp_path / "downloads" / "tiny"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES


def test_what_is_unpacked_is_used_without_its_archive(tmp_path):
    path = pack(tmp_path / "tiny.tar.gz")
    first = archives.unpack(describe(), tmp_path, None)
    path.unlink()
    assert archives.unpack(describe(), tmp_path, None) == first


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_text("x")])
def test_what_was_damaged_since_is_unpacked_anew(tmp_path, damage):
    pack(tmp_path / "tiny.tar.gz")
    folder = archives.unpack(describe(), tmp_path, None)
    damage(folder / "a.wav")
    archives.unpack(describe(), tmp_path, None)
    assert (folder / "a.wav").read_bytes() == FILES["a.wav"]


HOSTILE = {
    "../escape.wav": lambda tar: add(tar, "../escape.wav", b"x"),
    "tiny/recordings/../../../escape.wav": lambda tar: add(
        tar, "tiny/recordings/../../../escape.wav", b"x"
    ),
    "/tmp/escape.wav": lambda tar: add(tar, "/tmp/escape.wav", b"x"),
    "tiny\\..\\escape.wav": lambda tar: add(tar, "tiny\\..\\escape.wav", b"x"),
    "tiny/recordings/symbolic.wav": lambda tar: add(
        tar, "tiny/recordings/symbolic.wav", type=tarfile.SYMTYPE, linkname="/etc/passwd"
    ),
    "tiny/recordings/hard.wav": lambda tar: add(
        tar, "tiny/recordings/hard.wav", type=tarfile.LNKTYPE, linkname="tiny/README.md"
    ),
    "tiny/device": lambda tar: add(tar, "tiny/device", type=tarfile.CHRTYPE, devmajor=1),
    "tiny/pipe": lambda tar: add(tar, "tiny/pipe", type=tarfile.FIFOTYPE),
    "a.wav": lambda tar: add(tar, "tiny/recordings/a.wav", b"again"),
    "tiny/large": lambda tar: add(tar, "tiny/large", bytes(1_000_000)),
}


@pytest.mark.parametrize("member", HOSTILE)
def test_a_hostile_member_is_named_and_nothing_is_left(tmp_path, member):
    downloads = tmp_path / "downloads"
    pack(downloads / "tiny.tar.gz", HOSTILE[member])
    with pytest.raises(ArchiveError) as error:
        archives.unpack(describe(), downloads, None)
    assert repr(member) in str(error.value)
    assert "Delete tiny.tar.gz and run again" in str(error.value)
    assert names(downloads) == ["tiny.tar.gz"]
    assert names(tmp_path) == ["downloads"]


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_archive_is_named_and_nothing_is_left(tmp_path, kept):
    path = pack(tmp_path / "tiny.tar.gz")
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ArchiveError, match=r"tiny\.tar\.gz is truncated.*Delete tiny\.tar\.gz"):
        archives.unpack(describe(), tmp_path, None)
    assert names(tmp_path) == ["tiny.tar.gz"]


@pytest.mark.parametrize(
    "data",
    [b"<html>Sign in</html>", gzip.compress(b"no tar" * 1000, mtime=0), b"\x1f\x8b" + bytes(600)],
)
def test_a_file_that_is_no_archive_is_named(tmp_path, data):
    (tmp_path / "tiny.tar.gz").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"tiny\.tar\.gz is truncated, damaged or no \.tar\.gz"):
        archives.unpack(describe(), tmp_path, None)


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (lambda tar: add(tar, "tiny/recordings/c.wav", b"more"), r"c\.wav does not belong"),
        (lambda tar: add(tar, "other/recordings/c.wav", b"more"), None),
    ],
)
def test_only_wanted_members_are_unpacked_and_others_are_named(tmp_path, hostile, message):
    pack(tmp_path / "tiny.tar.gz", hostile)
    if message is None:
        assert names(archives.unpack(describe(), tmp_path, None)) == list(FILES)
        return
    with pytest.raises(ManifestError, match=message):
        archives.unpack(describe(), tmp_path, None)
    assert names(tmp_path) == ["tiny.tar.gz"]


def test_files_that_differ_or_miss_are_named(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"forged")
    assert DIGEST.problems(tmp_path) == ["b.wav is missing", "a.wav is not as published"]


def test_the_total_guards_what_short_hashes_miss(tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    assert DIGEST.problems(tmp_path) == []
    assert Digest("0" * 64, DIGEST.files).problems(tmp_path) == [
        "the files together are not as published"
    ]


def test_a_mirror_folder_without_the_archive_is_named(tmp_path):
    with pytest.raises(ArchiveError, match=r"has no tiny\.tar\.gz; put it there"):
        archives.unpack(describe(), tmp_path / "downloads", str(tmp_path))


# A server whose failures each test chooses.


@dataclass
class Site:
    """A local web server of one file; `cuts` and `statuses` are used up one a request."""

    data: bytes
    url: str = ""
    cuts: list[int] = field(default_factory=list)  # bytes after which the connection breaks
    statuses: list[int] = field(default_factory=list)  # answered instead of the file
    resumes: bool = True
    states_length: bool = True
    extra_length: int = 0  # that the server states and never sends
    stalls: int = 0  # how many requests hang after a part
    redirects: int = 0  # how many times the file has moved
    head_length: int | None = None  # told when asked for no more than that
    ranges: list[str | None] = field(default_factory=list)  # what was asked for
    paths: set[str] = field(default_factory=set)
    together: int = 0  # requests under way, …
    most_together: int = 0  # … and the most there were
    wait_for: int = 0  # requests that must be under way together before any is answered
    meeting: threading.Condition = field(default_factory=threading.Condition)
    over: threading.Event = field(default_factory=threading.Event)  # the test is

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        if self.redirects and not handler.path.endswith("moved"):
            handler.send_response(302)
            handler.send_header("Location", f"{handler.path}-moved")
            handler.end_headers()
            return
        self.ranges.append(asked)
        self.paths.add(handler.path)
        with self.meeting:
            self.together += 1
            self.most_together = max(self.most_together, self.together)
            self.meeting.notify_all()
            self.meeting.wait_for(lambda: self.most_together >= self.wait_for, timeout=20)
        try:
            self.send(handler, asked)
        finally:
            with self.meeting:
                self.together -= 1

    def send(self, handler: BaseHTTPRequestHandler, asked: str | None) -> None:
        if self.statuses:
            handler.send_error(self.statuses.pop(0))
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.resumes else 0
        if start and start >= len(self.data):
            handler.send_error(416)
            return
        body = self.data[start:]
        handler.send_response(206 if start else 200)
        if start:
            last = len(self.data) - 1
            handler.send_header("Content-Range", f"bytes {start}-{last}/{len(self.data)}")
        if self.states_length:
            handler.send_header("Content-Length", str(len(body) + self.extra_length))
        handler.end_headers()
        handler.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        if self.stalls:
            self.stalls -= 1
            handler.wfile.flush()
            self.over.wait(20)


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    site = Site(pack(tmp_path / "site" / "tiny.tar.gz").read_bytes())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.answer(self)

        def do_HEAD(self) -> None:
            self.send_response(200 if site.head_length is not None else 405)
            self.send_header("Content-Length", str(site.head_length or 0))
            self.end_headers()

        def log_message(self, format: str, *args) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/mirror"
    yield site
    site.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def long(site) -> Site:
    """A site whose file takes several chunks."""
    site.data = np.random.default_rng(0).bytes(400_000)
    return site


def download(site: Site, path: Path, retries: int = 3) -> None:
    archives.download(f"{site.url}/tiny.tar.gz", path, 10_000_000, [0.0] * retries)


def test_an_archive_is_downloaded_from_a_mirror_url(site, tmp_path):
    folder = archives.unpack(describe(), tmp_path / "downloads", f"{site.url}/")
    assert names(folder) == list(FILES)
    assert names(tmp_path / "downloads") == ["tiny", "tiny.tar.gz"]


def test_a_download_that_breaks_off_is_resumed(long, tmp_path):
    long.cuts = [150_000, 150_000]
    download(long, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == long.data
    assert names(tmp_path) == ["file", "site"]
    first, *later = long.ranges
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in later if asked]
    assert first is None
    # What came since the last whole chunk is asked for again.
    assert 50_000 < starts[0] <= 150_000 < starts[1] <= starts[0] + 150_000


def test_a_download_begins_anew_where_the_server_cannot_resume(long, tmp_path):
    long.cuts, long.resumes = [150_000], False
    download(long, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == long.data


def test_a_later_call_resumes_what_an_earlier_one_left(long, tmp_path):
    long.cuts = [150_000]
    with pytest.raises(requests.RequestException):
        download(long, tmp_path / "file", retries=0)
    assert names(tmp_path) == ["file.partial", "site"]
    download(long, tmp_path / "file", retries=0)
    assert (tmp_path / "file").read_bytes() == long.data
    assert long.ranges[1]


def test_a_beginning_that_is_longer_than_the_file_is_thrown_away(site, tmp_path):
    (tmp_path / "file.partial").write_bytes(bytes(len(site.data) + 1))
    download(site, tmp_path / "file", retries=0)
    assert (tmp_path / "file").read_bytes() == site.data


def test_passing_failures_of_the_server_are_retried(site, tmp_path):
    site.statuses = [503, 429]
    download(site, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == site.data


def test_lasting_failures_of_the_server_are_not_retried(site, tmp_path):
    site.statuses = [404, 404]
    with pytest.raises(requests.HTTPError, match="404"):
        download(site, tmp_path / "file")
    assert len(site.ranges) == 1


def test_progress_is_shown_and_goes_on_with_the_download(long, tmp_path, monkeypatch):
    screen = io.StringIO()

    class OnScreen(tqdm):
        """As on a terminal."""

        def __init__(self, *arguments, **settings) -> None:
            settings |= {"disable": False, "file": screen, "mininterval": 0}
            super().__init__(*arguments, **settings)

    monkeypatch.setattr(archives, "tqdm", OnScreen)
    long.cuts = [150_000]
    download(long, tmp_path / "file")
    shown = re.findall(r"tiny\.tar\.gz: +(\d+)%.*?/(\d+)k", screen.getvalue())
    shares = [int(share) for share, total in shown]
    assert {total for _, total in shown} == {"400"}
    assert (shares[0], shares[-1]) == (0, 100)
    assert shares == sorted(shares)  # it does not begin anew
    assert len(long.ranges) == 2


def test_a_download_without_length_is_taken_as_it_comes(site, tmp_path):
    site.states_length = False
    download(site, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == site.data


def test_a_truncated_download_without_length_is_found_when_unpacked(site, tmp_path):
    site.states_length, site.cuts = False, [100]
    with pytest.raises(ArchiveError, match=r"tiny\.tar\.gz is truncated"):
        archives.unpack(describe(), tmp_path / "downloads", site.url)


def test_an_endless_download_is_broken_off(site, tmp_path):
    with pytest.raises(ArchiveError, match="longer than 100 bytes"):
        archives.download(f"{site.url}/tiny.tar.gz", tmp_path / "file", 100, [])
    assert names(tmp_path) == ["site"]


def test_without_network_or_mirror_the_error_says_what_to_put_where(site, tmp_path):
    site.statuses = [403]
    with pytest.raises(ArchiveError) as error:
        archives.unpack(describe(f"{site.url}/tiny.tar.gz"), tmp_path / "downloads", None)
    for part in ("tiny.tar.gz", f"put it in {tmp_path}/downloads/", "corpus.mirror", "ADAPTTS"):
        assert part in str(error.value)


def test_a_download_that_stalls_is_resumed(long, tmp_path):
    long.cuts, long.stalls = [200_000], 1
    archives.download(
        f"{long.url}/tiny.tar.gz", tmp_path / "file", 10_000_000, [0.0], timeout_seconds=0.2
    )
    assert (tmp_path / "file").read_bytes() == long.data
    assert long.ranges[1]


def test_a_server_that_always_stalls_is_given_up(long, tmp_path):
    long.cuts, long.stalls = [0, 0], 2
    with pytest.raises(requests.RequestException):
        archives.download(
            f"{long.url}/tiny.tar.gz", tmp_path / "file", 10_000_000, [0.0], timeout_seconds=0.2
        )
    assert not (tmp_path / "file").exists()


def test_a_server_that_promises_more_than_it_sends_is_given_up(long, tmp_path):
    long.extra_length = 1000
    with pytest.raises(requests.RequestException):
        download(long, tmp_path / "file", retries=2)
    assert not (tmp_path / "file").exists()


def test_a_server_that_promises_less_than_there_is_is_found_by_the_checksum(long, tmp_path):
    digest = hashlib.sha256(long.data).hexdigest()
    wanted = replace(describe(f"{long.url}/tiny.tar.gz"), checksum=f"sha256:{digest}")
    long.extra_length = -1000
    with pytest.raises(ArchiveError, match=r"tiny\.tar\.gz is not as published: its sha256 is"):
        archives.locate([wanted], tmp_path / "downloads", None)


def test_a_download_follows_redirects_and_resumes_behind_them(long, tmp_path):
    long.redirects, long.cuts = 1, [150_000]
    download(long, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == long.data
    assert long.paths == {"/mirror/tiny.tar.gz-moved"}
    assert long.ranges[1]


def test_several_files_are_downloaded_at_a_time(site, tmp_path):
    site.wait_for = 3
    wanted = [
        archives.Download(f"part{number}.tar.gz", f"{site.url}/part{number}.tar.gz", 1_000_000)
        for number in range(3)
    ]
    paths = archives.locate(wanted, tmp_path / "downloads", None)
    assert [path.name for path in paths] == [each.name for each in wanted]
    assert site.most_together == 3
    assert all(path.read_bytes() == site.data for path in paths)


def test_where_the_disk_has_no_room_nothing_is_asked_for(site, tmp_path):
    site.head_length = 10**18
    wanted = archives.Download("part.tar.gz", f"{site.url}/part.tar.gz", 10**19)
    with pytest.raises(ArchiveError, match=r"GB free; to download part\.tar\.gz takes 1000000000"):
        archives.locate([wanted], tmp_path / "downloads", None)
    assert site.ranges == []


@pytest.mark.parametrize("method", ["sha256", "md5"])
def test_a_checksum_is_compared_in_the_mirror_too(tmp_path, method):
    path = pack(tmp_path / "mirror" / "tiny.tar.gz")
    digest = hashlib.new(method, path.read_bytes()).hexdigest()
    good = replace(describe(), checksum=f"{method}:{digest}")
    assert archives.locate([good], tmp_path / "d", str(tmp_path / "mirror")) == [path]
    bad = replace(describe(), checksum=f"{method}:{digest[::-1]}")
    with pytest.raises(ArchiveError, match=f"is not as published: its {method} is {digest}, not"):
        archives.locate([bad], tmp_path / "d", str(tmp_path / "mirror"))


TREES = [archives.Download(f"{name}.tar.gz", "http://127.0.0.1:9/", 900_000) for name in "ab"]


def test_trees_are_unpacked_with_what_is_wanted_of_them(tmp_path):
    for each in TREES:
        pack(tmp_path / "mirror" / each.name)
    folders = archives.unpack_trees(TREES, (".wav",), tmp_path / "d", str(tmp_path / "mirror"))
    assert folders == [tmp_path / "d" / "a", tmp_path / "d" / "b"]
    for folder in folders:
        assert names(folder / "tiny") == ["recordings"]
        assert {path.name: path.read_bytes() for path in folder.rglob("*.wav")} == FILES
    (tmp_path / "mirror" / "a.tar.gz").unlink()
    again = archives.unpack_trees(TREES, (".wav",), tmp_path / "d", str(tmp_path / "mirror"))
    assert again == folders


@pytest.mark.parametrize("member", [name for name in HOSTILE if name != "a.wav"])
def test_a_hostile_member_of_a_tree_is_named_and_nothing_of_it_is_left(tmp_path, member):
    pack(tmp_path / "d" / "a.tar.gz", HOSTILE[member])
    with pytest.raises(ArchiveError) as error:
        archives.unpack_trees(TREES[:1], (".wav",), tmp_path / "d", None)
    assert repr(member) in str(error.value)
    assert names(tmp_path / "d") == ["a.tar.gz"]
    assert names(tmp_path) == ["d"]


def test_links_among_what_is_not_wanted_are_overlooked(tmp_path):
    def link(tar: tarfile.TarFile) -> None:
        add(tar, "tiny/latest", type=tarfile.SYMTYPE, linkname="/etc")

    pack(tmp_path / "d" / "a.tar.gz", link)
    (folder,) = archives.unpack_trees(TREES[:1], (".wav",), tmp_path / "d", None)
    assert names(folder / "tiny") == ["recordings"]
