"""Writes a small UFS2 file system: what a FreeBSD kernel mounts as its root, made without any tool.

One cylinder group, no clusters, no check hashes; files of up to 128 MiB. The layout is that of sys/ufs/ffs/fs.h and sys/ufs/ufs/dinode.h.
"""

from __future__ import annotations

import dataclasses
import struct
import time
from collections.abc import Iterator
from pathlib import Path

SECTOR, FRAGMENT, BLOCK = 512, 4096, 32768
PER_BLOCK = BLOCK // FRAGMENT
SUPERBLOCK_AT, SUPERBLOCK_ROOM = 65536, 8192
SUPERBLOCK_MAGIC, GROUP_MAGIC = 0x19540119, 0x090255
INODE, INODES = 256, 16384
ROOT = 2
DIRECT, POINTER = 12, 8
DIRECTORY_CHUNK = 512
GROUP_HEADER = 168
MODE_DIRECTORY, MODE_FILE, TYPE_DIRECTORY, TYPE_FILE = 0o040000, 0o100000, 4, 8

#: Where things lie, in fragments.
SUPERBLOCK = -(-(SUPERBLOCK_AT + SUPERBLOCK_ROOM) // BLOCK) * PER_BLOCK
GROUP = SUPERBLOCK + PER_BLOCK
INODE_TABLE = GROUP + PER_BLOCK
DATA = INODE_TABLE + INODES * INODE // FRAGMENT

#: offset in struct fs: (format, name).
FIELDS = {
    "sblkno": (8, "i"), "cblkno": (12, "i"), "iblkno": (16, "i"), "dblkno": (20, "i"), "old_cgmask": (28, "i"), "ncg": (44, "I"),
    "bsize": (48, "i"), "fsize": (52, "i"), "frag": (56, "i"), "minfree": (60, "i"), "bmask": (72, "i"), "fmask": (76, "i"),
    "bshift": (80, "i"), "fshift": (84, "i"), "maxcontig": (88, "i"), "maxbpg": (92, "i"), "fragshift": (96, "i"), "fsbtodb": (100, "i"),
    "sbsize": (104, "i"), "nindir": (116, "i"), "inopb": (120, "I"), "cssize": (156, "i"), "cgsize": (160, "i"), "ipg": (184, "I"),
    "fpg": (188, "i"), "clean": (209, "b"), "maxbsize": (860, "i"), "sblockactualloc": (992, "q"), "sblockloc": (1000, "q"),
    "ndir": (1008, "q"), "nbfree": (1016, "q"), "nifree": (1024, "q"), "nffree": (1032, "q"), "time": (1072, "q"), "size": (1080, "q"),
    "dsize": (1088, "q"), "csaddr": (1096, "q"), "avgfilesize": (1196, "I"), "avgfpdir": (1200, "I"), "maxsymlinklen": (1320, "i"),
    "maxfilesize": (1328, "Q"), "qbmask": (1336, "q"), "qfmask": (1344, "q"), "magic": (1372, "i"),
}  # fmt: skip


@dataclasses.dataclass
class _Group:
    """The one cylinder group while it is filled: which fragments and inodes are taken, and what they hold."""

    fragments: int
    next: int = DATA + 1  # after the summary
    directories: int = 0

    def __post_init__(self) -> None:
        self.taken = bytearray(b"\1" * self.next) + bytearray(self.fragments - self.next)
        self.inodes: dict[int, bytes] = {}
        self.contents: dict[int, bytes] = {}

    def blocks(self, data: bytes) -> tuple[list[int], int]:
        """Put data into new blocks; their addresses and how many fragments they take. The last one takes what it needs."""
        addresses, used = [], 0
        whole = len(data) > DIRECT * BLOCK
        for at in range(0, len(data), BLOCK):
            part = data[at : at + BLOCK]
            needs = PER_BLOCK if whole else -(-len(part) // FRAGMENT)
            address = -(-self.next // PER_BLOCK) * PER_BLOCK
            if address + PER_BLOCK > self.fragments:
                raise ValueError("the file system is too small for what it is to hold")
            self.contents[address] = part
            self.taken[address : address + needs] = b"\1" * needs
            self.next = address + PER_BLOCK
            addresses.append(address)
            used += needs
        return addresses, used

    def add(self, number: int, mode: int, links: int, data: bytes) -> None:
        """An inode with its data."""
        addresses, used = self.blocks(data)
        indirect = 0
        if len(addresses) > DIRECT:
            pointers = b"".join(struct.pack("<q", address) for address in addresses[DIRECT:])
            (indirect,), more = self.blocks(pointers.ljust(BLOCK, b"\0"))
            used += more
        direct = (addresses[:DIRECT] + [0] * DIRECT)[:DIRECT]
        now = int(time.time())
        self.inodes[number] = struct.pack(
            "<HHIIIQQ4q4iII24x12q3q24x", mode, links, 0, 0, BLOCK, len(data), used * (FRAGMENT // SECTOR), now, now, now, now,
            0, 0, 0, 0, 1, 0, *direct, indirect, 0, 0,
        )  # fmt: skip
        self.directories += mode & 0o170000 == MODE_DIRECTORY


def _entries(entries: list[tuple[str, int, int]]) -> bytes:
    """A directory's text: (name, inode, type), none across a chunk of 512 bytes, the last of each chunk taking its rest."""
    chunks: list[list[bytes]] = [[]]
    for name, number, kind in entries:
        text = name.encode()
        entry = struct.pack("<IHBB", number, 0, kind, len(text)) + text + b"\0"
        entry = entry.ljust(-(-len(entry) // 4) * 4, b"\0")
        if sum(map(len, chunks[-1])) + len(entry) > DIRECTORY_CHUNK:
            chunks.append([])
        chunks[-1].append(entry)
    out = b""
    for chunk in chunks:
        chunk[-1] = chunk[-1].ljust(DIRECTORY_CHUNK - sum(map(len, chunk[:-1])), b"\0")
        out += b"".join(entry[:4] + struct.pack("<H", len(entry)) + entry[6:] for entry in chunk)
    return out


def _fill(group: _Group, folder: Path, numbers: Iterator[int], number: int, parent: int) -> None:
    """A folder with all that is in it."""
    entries, below = [(".", number, TYPE_DIRECTORY), ("..", parent, TYPE_DIRECTORY)], 0
    for path in sorted(folder.iterdir()):
        child = next(numbers)
        if path.is_dir():
            _fill(group, path, numbers, child, number)
            below += 1
        else:
            group.add(child, MODE_FILE | path.stat().st_mode & 0o7777, 1, path.read_bytes())
        entries.append((path.name, child, TYPE_DIRECTORY if path.is_dir() else TYPE_FILE))
    group.add(number, MODE_DIRECTORY | folder.stat().st_mode & 0o7777, 2 + below, _entries(entries))


def _runs(taken: bytearray) -> tuple[int, int, list[int]]:
    """Of a group: whole blocks that are free, fragments that are free in other blocks, and how many runs of each length these make."""
    blocks = fragments = 0
    runs = [0] * PER_BLOCK
    for at in range(0, len(taken), PER_BLOCK):
        part = bytes(taken[at : at + PER_BLOCK])
        if not any(part):
            blocks += 1
            continue
        for run in part.split(b"\1"):
            fragments += len(run)
            runs[len(run)] += bool(run)
    return blocks, fragments, runs


def _bits(flags: bytes, length: int) -> bytes:
    """One bit for each byte that is not 0, the lowest first."""
    return bytes(sum(bool(flag) << i for i, flag in enumerate(flags[at : at + 8])) for at in range(0, length, 8))


def make(image: Path, folder: Path, mebibytes: int = 512) -> None:
    """Write a file system of this size with all that is in a folder, owned by root."""
    fragments = mebibytes * 1024 * 1024 // FRAGMENT
    group = _Group(fragments)
    _fill(group, folder, iter(range(ROOT + 1, INODES)), ROOT, ROOT)
    blocks, rest, runs = _runs(group.taken)
    summary = {"ndir": group.directories, "nbfree": blocks, "nifree": INODES - ROOT - len(group.inodes), "nffree": rest}
    with image.open("wb") as out:
        out.truncate(fragments * FRAGMENT)
        for at, data in (
            (SUPERBLOCK_AT, _superblock(fragments, summary)),
            (SUPERBLOCK * FRAGMENT, _superblock(fragments, summary)),
            (GROUP * FRAGMENT, _group(group, summary, runs)),
            (DATA * FRAGMENT, struct.pack("<4i", *summary.values())),
            *((INODE_TABLE * FRAGMENT + number * INODE, inode) for number, inode in group.inodes.items()),
            *((address * FRAGMENT, data) for address, data in group.contents.items()),
        ):
            out.seek(at)
            out.write(data)


def _superblock(fragments: int, summary: dict[str, int]) -> bytes:
    """struct fs."""
    pointers = BLOCK // POINTER
    values = {
        "sblkno": SUPERBLOCK, "cblkno": GROUP, "iblkno": INODE_TABLE, "dblkno": DATA, "old_cgmask": -1, "ncg": 1, "bsize": BLOCK,
        "fsize": FRAGMENT, "frag": PER_BLOCK, "minfree": 0, "bmask": -BLOCK, "fmask": -FRAGMENT, "bshift": BLOCK.bit_length() - 1,
        "fshift": FRAGMENT.bit_length() - 1, "maxcontig": 1, "maxbpg": pointers, "fragshift": PER_BLOCK.bit_length() - 1,
        "fsbtodb": (FRAGMENT // SECTOR).bit_length() - 1, "sbsize": FRAGMENT, "nindir": pointers, "inopb": BLOCK // INODE, "cssize": FRAGMENT,
        "cgsize": BLOCK, "ipg": INODES, "fpg": fragments, "clean": 1, "maxbsize": BLOCK, "sblockactualloc": SUPERBLOCK_AT,
        "sblockloc": SUPERBLOCK_AT, "time": int(time.time()), "size": fragments, "dsize": fragments - DATA - 1, "csaddr": DATA,
        "avgfilesize": 16384, "avgfpdir": 64, "maxsymlinklen": (DIRECT + 3) * POINTER,
        "maxfilesize": BLOCK * (DIRECT + pointers + pointers**2 + pointers**3) - 1, "qbmask": BLOCK - 1, "qfmask": FRAGMENT - 1,
        "magic": SUPERBLOCK_MAGIC, **summary,
    }  # fmt: skip
    out = bytearray(FRAGMENT)
    for name, value in values.items():
        offset, form = FIELDS[name]
        struct.pack_into(f"<{form}", out, offset, value)
    return bytes(out)


def _group(group: _Group, summary: dict[str, int], runs: list[int]) -> bytes:
    """struct cg with the maps of inodes that are taken and of fragments that are free."""
    inode_map = GROUP_HEADER
    free_map = inode_map + INODES // 8
    end = free_map + group.fragments // 8
    if end > BLOCK:
        raise ValueError("one cylinder group has no room for so large a file system")
    used = bytes(1 if number < ROOT or number in group.inodes else 0 for number in range(INODES))
    free = bytes(not taken for taken in group.taken)
    header = struct.pack(
        "<iiiIhhI4i3I8I2i9I", 0, GROUP_MAGIC, 0, 0, 0, 0, group.fragments, *summary.values(), 0, 0, 0, *runs, 0, 0, inode_map, free_map, end,
        0, 0, 0, INODES, INODES, 0,
    )  # fmt: skip
    maps = _bits(used, INODES) + _bits(free, group.fragments)
    return (header.ljust(GROUP_HEADER, b"\0") + maps).ljust(BLOCK, b"\0")
