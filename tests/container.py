"""What the Dockerfile's last stage is, and what Docker would start it in, where no Docker is at hand.

    python tests/container.py ROOT TREE                   make the tree: a FreeBSD root, and the shim's image as /lsf
    python tests/container.py TREE -- /lsf -- /bin/sh     enter it

Entering is chroot with Docker's default capabilities and seccomp profile, in a user namespace of its own. Source:
docs.docker.com (engine/security/seccomp, run reference), and the profile of github.com/moby/moby, profiles/seccomp.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import sys
from pathlib import Path

import harness

#: Numbers that the profile allows without CAP_SYS_ADMIN. All others, those too that Linux does not have, give EPERM.
ALLOWED = ((0, 102), (104, 133), (135, 135), (137, 138), (140, 152), (154, 154), (157, 162), (186, 211), (213, 226),
           (228, 235), (240, 245), (247, 247), (251, 255), (257, 271), (273, 278), (280, 297), (299, 299), (301, 303),
           (305, 307), (309, 311), (314, 319), (322, 322), (324, 334), (424, 427), (434, 434), (436, 437), (439, 439),
           (441, 441), (444, 449))  # fmt: skip
#: Of these one argument (its index) is looked at too: the mask of bits that must be clear, or the values it must have.
CLONE, CLONE3, SOCKET, PERSONALITY = 56, 435, 41, 135
CLONE_NAMESPACES = 0x7E020000
PERSONALITIES = (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)
AF_VSOCK = 40
#: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE
#: SETFCAP
CAPABILITIES = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)

_ALLOW, _EPERM, _ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
_LOAD, _EQUAL, _GREATER_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


def profile() -> bytes:
    """Docker's default seccomp profile as a classic BPF program."""
    program: list[tuple[int, int, int, int]] = []

    def add(code: int, value: int, when: int = 0, otherwise: int = 0) -> None:
        program.append((code, when, otherwise, value))

    add(_LOAD, 4)  # the architecture
    add(_EQUAL, 0xC000003E, 1, 0)
    add(_RETURN, _EPERM)
    add(_LOAD, 0)  # the number
    add(_EQUAL, CLONE3, 0, 1)
    add(_RETURN, _ENOSYS)
    add(_EQUAL, CLONE, 0, 4)
    add(_LOAD, 16)
    add(_ANY_BIT, CLONE_NAMESPACES, 1, 0)
    add(_RETURN, _ALLOW)
    add(_RETURN, _EPERM)
    add(_EQUAL, SOCKET, 0, 4)
    add(_LOAD, 16)
    add(_EQUAL, AF_VSOCK, 1, 0)
    add(_RETURN, _ALLOW)
    add(_RETURN, _EPERM)
    add(_EQUAL, PERSONALITY, 0, 2 + 2 * len(PERSONALITIES))
    add(_LOAD, 16)
    for value in PERSONALITIES:
        add(_EQUAL, value, 0, 1)
        add(_RETURN, _ALLOW)
    add(_RETURN, _EPERM)
    for first, last in ALLOWED:
        add(_GREATER_EQUAL, first, 0, 2)
        add(_GREATER_EQUAL, last + 1, 1, 0)
        add(_RETURN, _ALLOW)
    add(_RETURN, _EPERM)
    return b"".join(struct.pack("<HBBI", *row) for row in program)


def make_tree(root: Path, tree: Path, parts: tuple[str, ...] | None = None) -> Path:
    """The last stage's tree: no Python, nothing of LSF's but the image."""
    harness.copy_root(root, tree, parts)
    image = harness.shim_image()
    assert image is not None, "lsf/shim.elf is not built"
    shutil.copy(image, tree / "lsf")
    (tree / "lsf").chmod(0o755)
    return tree


def _must(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def enter(tree: Path, proc: bool = True) -> None:
    """Make this process one of a container's; proc: with the host's /proc and /dev. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    _must(libc.unshare(0x10020000), "unshare")  # CLONE_NEWUSER | CLONE_NEWNS
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    for name in ("proc", "dev") if proc else ():
        _must(
            libc.mount(f"/{name}".encode(), os.fsencode(tree / name), None, 0x5000, None), f"mount {name}"
        )  # BIND | REC
    os.chroot(tree)
    os.chdir("/")
    program = profile()
    code = ctypes.create_string_buffer(program)
    filters = struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    _must(libc.prctl(22, 2, ctypes.create_string_buffer(filters), 0, 0), "seccomp")  # PR_SET_SECCOMP, MODE_FILTER
    for capability in range(64):
        if capability not in CAPABILITIES:
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    low = sum(1 << capability for capability in CAPABILITIES)
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(low, low, 0, 0, 0, 0)
    _must(libc.capset(header, data), "capset")


def main(arguments: list[str]) -> int:
    """The command, as the head of this file says."""
    if len(arguments) >= 3 and arguments[1] == "--":
        enter(Path(arguments[0]).resolve())
        os.execve(
            arguments[2], arguments[2:], {"PATH": "/sbin:/bin:/usr/sbin:/usr/bin", "TERM": os.environ.get("TERM", "")}
        )
    if len(arguments) != 2 or "--" in arguments:
        print(__doc__, file=sys.stderr)
        return 2
    make_tree(Path(arguments[0]), Path(arguments[1]).resolve())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
