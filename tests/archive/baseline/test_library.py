"""Finding, importing and downloading meta-networks, over a real HTTP server on loopback."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from archive.baseline import library
from sandbox.errors import PrerequisiteMissing, UsageError
from sandbox.rules.meta.config import PRESETS
from sandbox.rules.meta.network import MetaNetwork
from sandbox.rules.meta.weights import load, load_disco103, save

CONTENT = bytes(range(256)) * 1000


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, and the rest of it where a range is asked for; remembers the ranges."""

    ranges: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        self.send_response(206 if asked else 200)
        self.end_headers()
        self.wfile.write(CONTENT[start:])

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def url() -> Iterator[str]:
    Server.ranges = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/disco_103.npz"
        server.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOSSMITH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def expect_content(monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    monkeypatch.setattr(library, "DISCO103_SHA256", hashlib.sha256(CONTENT).hexdigest())


def test_a_download_goes_on_where_it_stopped(url: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expect_content(monkeypatch)
    cache.mkdir()
    (cache / "disco103.download").write_bytes(CONTENT[:1000])
    path = library.fetch_disco103(url)
    assert path.read_bytes() == CONTENT
    assert Server.ranges == ["bytes=1000-"]
    assert library.fetch_disco103(url) == path
    assert len(Server.ranges) == 1, "what is already there is not downloaded again"


def test_another_file_is_refused_and_not_kept(url: str, cache: Path) -> None:
    with pytest.raises(PrerequisiteMissing, match="not the published file"):
        library.fetch_disco103(url)
    assert list(cache.iterdir()) == []


def test_offline_says_how_to_import(cache: Path) -> None:
    with pytest.raises(PrerequisiteMissing, match=r"baseline import disco_103\.npz"):
        library.fetch_disco103("http://127.0.0.1:9/disco_103.npz")


def test_a_network_is_found_by_name_after_it_was_adopted(tmp_path: Path) -> None:
    network = MetaNetwork(PRESETS["small"], torch.Generator().manual_seed(0))
    save(network, tmp_path / "mine.safetensors")
    library.adopt(tmp_path / "mine.safetensors", "renamed")
    found = load(library.find("renamed"))
    assert all(value.equal(network.get_parameter(name)) for name, value in found.named_parameters())


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    save(MetaNetwork(PRESETS["small"], torch.Generator()), tmp_path / "a.safetensors")
    library.adopt(tmp_path / "a.safetensors", "known-one")
    with pytest.raises(UsageError, match="known-one"):
        library.find("nothing")


@pytest.mark.parametrize("content", [b"", b"not a network"], ids=["empty", "garbage"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        load(path)
    with pytest.raises(UsageError, match="SHA-256"):
        load_disco103(path)
