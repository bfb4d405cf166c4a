"""What the tests of roots share: archives of FreeBSD's shape, and a web server on loopback that misbehaves."""

from __future__ import annotations

import hashlib
import http.server
import io
import lzma
import os
import ssl
import struct
import tarfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path


def elf(
    osrelease: int = 1401000,
    owner: bytes = b"FreeBSD\0",
    osabi: int = 9,
    interp: bytes = b"",
    machine: int = 62,
    bits: int = 64,
    code: bytes = b"\xc3",
) -> bytes:
    """The smallest ELF file that has FreeBSD's note: enough to be read, not to be run."""
    note = struct.pack("<III", len(owner), 4, 1) + owner.ljust(-(-len(owner) // 4) * 4, b"\0")
    note += struct.pack("<I", osrelease)
    if not owner:
        note = b""
    kinds = [(1, 5, code), *([(3, 4, interp)] if interp else []), *([(4, 4, note)] if note else [])]
    header_size, phdr_size = (64, 56) if bits == 64 else (52, 32)
    offset = header_size + phdr_size * len(kinds)
    phdrs = body = b""
    for kind, flags, data in kinds:
        at = offset + len(body)
        address = 0x400000 + at
        if bits == 64:
            phdrs += struct.pack("<IIQQQQQQ", kind, flags, at, address, address, len(data), len(data), 1)
        else:
            phdrs += struct.pack("<IIIIIIII", kind, at, address, address, len(data), len(data), flags, 1)
        body += data + b"\0" * (-len(data) % 8)
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1, osabi]) + bytes(8)
    word = "Q" if bits == 64 else "I"
    header = ident + struct.pack(
        f"<HHI{word}{word}{word}IHHHHHH",
        2,
        machine,
        1,
        0x400000 + offset,
        header_size,
        0,
        0,
        header_size,
        phdr_size,
        len(kinds),
        0,
        0,
        0,
    )
    return header + phdrs + body


@dataclass
class Item:
    """One file of an archive. `data` is its contents, or the target of a link."""

    name: str
    data: bytes | str = b""
    type: bytes = tarfile.REGTYPE
    mode: int = 0o644
    pax: dict[str, str] = field(default_factory=dict)


def folder(name: str, mode: int = 0o755) -> Item:
    return Item(name, type=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str) -> Item:
    return Item(name, target, tarfile.SYMTYPE, 0o755)


def hardlink(name: str, target: str, mode: int = 0o644) -> Item:
    return Item(name, target, tarfile.LNKTYPE, mode)


def add(archive: tarfile.TarFile, header: tarfile.TarInfo, item: Item) -> None:
    """Put an item under this header: what it holds, or what it links to."""
    if isinstance(item.data, str):
        header.linkname = item.data
        archive.addfile(header)
    else:
        header.size = len(item.data)
        archive.addfile(header, io.BytesIO(item.data))


def tar(items: Iterable[Item], format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive, uncompressed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for item in items:
            header = tarfile.TarInfo(item.name)
            header.type, header.mode, header.mtime, header.pax_headers = item.type, item.mode, 1_700_000_000, item.pax
            header.uname, header.gname = "root", "wheel"
            add(archive, header, item)
    return out.getvalue()


VERSION_SCRIPT = b'#!/bin/sh\nset -e\nUSERLAND_VERSION="%s"\n'


def base(
    release: str = "14.1-RELEASE", number: int = 1401000, extra: Iterable[Item] = (), root: str = "./"
) -> list[Item]:
    """A small base system with all that is peculiar in FreeBSD's own base.txz."""
    items = [
        folder("", 0o755),
        folder("bin"),
        folder("lib"),
        folder("libexec"),
        folder("etc"),
        folder("etc/defaults"),
        folder("dev", 0o555),
        folder("tmp", 0o1777),
        folder("usr"),
        folder("usr/bin"),
        folder("usr/lib"),
        folder("var"),
        Item("var/empty", type=tarfile.DIRTYPE, mode=0o555, pax={"SCHILY.fflags": "schg"}),
        folder("rescue"),
        Item("bin/sh", elf(number), mode=0o555),
        Item("bin/freebsd-version", VERSION_SCRIPT % release.encode(), mode=0o555),
        Item("lib/libc.so.7", elf(number), mode=0o444, pax={"SCHILY.fflags": "schg,uarch"}),
        Item("libexec/ld-elf.so.1", elf(number), mode=0o555, pax={"SCHILY.fflags": "schg"}),
        Item("etc/master.passwd", b"root::0:0::0:0:Charlie &:/root:/bin/sh\n", mode=0o600),
        Item("etc/defaults/rc.conf", b'ldconfig_paths="/usr/lib/compat ${_localbase}/lib"\n'),
        Item("rescue/rescue", elf(number) + b"r" * 5000, mode=0o555),
        hardlink("rescue/sh", f"{root}rescue/rescue"),
        hardlink("rescue/ls", f"{root.removeprefix('./')}rescue/rescue"),
        Item("usr/bin/su", elf(number), mode=0o4555),
        link("sys", "usr/src/sys"),
        link("etc/localtime", "/usr/share/zoneinfo/UTC"),
        link("usr/lib/libc.so", "../../lib/libc.so.7"),
        Item("usr/bin/caf\u00e9", b"name\n"),
        Item("usr/lib/" + "long" * 30 + ".txt", b"pax\n"),
        *extra,
    ]
    return [Item(root + item.name, item.data, item.type, item.mode, item.pax) for item in items]


def txz(items: Iterable[Item]) -> bytes:
    """As FreeBSD's base.txz is packed."""
    return lzma.compress(tar(items), preset=1)


def manifest(archive: bytes, files: int = 30) -> bytes:
    """The MANIFEST of a release that has this base.txz."""
    digest = hashlib.sha256(archive).hexdigest()
    return (
        f'base-dbg.txz\t{"0" * 64}\t1000\tbase_dbg\t"Base system (Debugging)"\toff\n'
        f'base.txz\t{digest}\t{files}\tbase\t"Base system (MANDATORY)"\ton\n'
    ).encode()


@dataclass
class Request:
    """What a client asked for."""

    path: str
    headers: dict[str, str]


@dataclass
class Answer:
    """What to answer. `cut`: how many bytes of the body to send before the connection is dropped (None: all)."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    ranges: bool = True
    length: int | None = None  # a Content-Length that lies


class Server:
    """A web server on loopback. `files` maps paths to bodies, or to functions from a Request to an Answer.

    certificate: a file with a certificate and its key; it speaks https then.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.files: dict[str, bytes | Answer | Callable[[Request], Answer]] = {}
        self.log: list[Request] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments: object) -> None:
                pass  # a client that went away

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{'https' if certificate else 'http'}://{self.host}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def requests(self, path: str) -> list[Request]:
        return [request for request in self.log if request.path.partition("?")[0] == path]

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        request = Request(handler.path, {key.lower(): value for key, value in handler.headers.items()})
        self.log.append(request)
        found = self.files.get(handler.path.partition("?")[0], Answer(404, b"not found"))
        answer = found(request) if callable(found) else found
        if isinstance(answer, bytes):
            answer = Answer(body=answer)
        status, body, headers = answer.status, answer.body, dict(answer.headers)
        wanted = request.headers.get("range", "")
        if wanted and answer.ranges and status == 200:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            if start >= len(body):
                status, headers["Content-Range"], body = 416, f"bytes */{len(body)}", b""
            else:
                status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
                body = body[start:]
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.send_header("Content-Length", str(answer.length if answer.length is not None else len(body)))
        handler.end_headers()
        if answer.cut is not None and answer.cut < len(body):
            body = body[: answer.cut]
            handler.close_connection = True
        handler.wfile.write(body)


# ---------------------------------------------------------------- what came of a command


def fails(result: tuple[int, str, str], *words: str) -> str:
    """Check that a command failed with one sentence that has these words."""
    status, out, err = result
    assert (status, out) == (125, "")
    sentences = [line for line in err.splitlines() if line.startswith("lsfctl: ")]
    assert len(sentences) == 1, err
    assert "Traceback" not in err
    for word in words:
        assert word in sentences[0], sentences[0]
    return sentences[0]


def fetched(store: Path) -> list[str]:
    """What lies in the cache beside a store of the fixture root_store."""
    folder = store.parent / "cache/lsf/fetched"
    return sorted(os.listdir(folder)) if folder.exists() else []


def nothing_installed(store: Path, downloads: bool = False) -> None:
    """Nothing is left in the store, and in the cache nothing but, perhaps, a download."""
    assert not store.exists() or os.listdir(store) == []
    assert bool(fetched(store)) == downloads
