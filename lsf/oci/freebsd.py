"""The `freebsd` section of a configuration (runtime-spec 1.3, config-freebsd.md), said in Linux's words.

It describes a jail and a devfs; a configuration that was written for FreeBSD has no `linux` section and mounts FreeBSD's file systems.
What it asks for and Linux has is asked for, what it leaves shut stays shut, and what LSF cannot have is refused by name: nothing is
taken and then ignored but `enforceStatfs`, which has no meaning where /proc shows the container's mounts alone.
"""

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class OciError(Exception):
    """The container cannot be made; the text is one sentence for a person."""


#: What Linux's root keeps in a container, as the engines have it; what `allow` and `suser` say comes on top.
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "SETGID", "SETUID", "SETPCAP", "SYS_CHROOT", "KILL", "SETFCAP",
                "AUDIT_WRITE")  # fmt: skip
#: What runtimes for Linux keep from a container's view of /proc.
MASKED = ("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
          "/proc/sched_debug", "/proc/scsi", "/sys/firmware")  # fmt: skip
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_NEW, _INHERIT, _DISABLE = "new", "inherit", "disable"
_MODES = {"host": (_NEW, _INHERIT), "vnet": (_NEW, _INHERIT), "ip4": (_NEW, _INHERIT, _DISABLE), "ip6": (_NEW, _INHERIT, _DISABLE),
          "sysvmsg": (_NEW, _INHERIT, _DISABLE), "sysvsem": (_NEW, _INHERIT, _DISABLE),
          "sysvshm": (_NEW, _INHERIT, _DISABLE)}  # fmt: skip
_SHM = {
    "destination": "/dev/shm",
    "type": "tmpfs",
    "source": "shm",
    "options": ["nosuid", "noexec", "nodev", "mode=1777"],
}
_DEVFS: "tuple[dict[str, Any], ...]" = (
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
     "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
    _SHM,
)  # fmt: skip
_PROC = {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}
#: FreeBSD's kernel lets these be asked for, and no guest of LSF mounts anything.
_NO_MOUNTS = "LSF's programs mount nothing"


def to_linux(config: "dict[str, Any]", bundle: str) -> None:
    """Take the section out of a configuration, and put into it what the section means. Raises OciError for what cannot be had."""
    where = f"{bundle}/config.json: freebsd"
    section = config.pop("freebsd")
    if not isinstance(section, dict):
        raise OciError(f"{where}: not an object")
    jail = section.get("jail", {})
    if not isinstance(jail, dict):
        raise OciError(f"{where}.jail: not an object")
    for name, known in _MODES.items():
        if jail.get(name, known[0]) not in known:
            raise OciError(f"{where}.jail.{name}: {jail[name]!r}: not one of {', '.join(known)}")
    if "parent" in jail:
        raise OciError(
            f"{where}.jail.parent: containers that share a jail are the engine's to make on Linux, by linux.namespaces"
        )
    allow = jail.get("allow", {})
    if not isinstance(allow, dict):
        raise OciError(f"{where}.jail.allow: not an object")
    if allow.get("mount"):
        raise OciError(f"{where}.jail.allow.mount: {_NO_MOUNTS}")
    alien = "linux" not in config
    linux = config.setdefault("linux", {})
    if not isinstance(linux, dict):
        raise OciError(f"{bundle}/config.json: linux: not an object")
    _devices(linux, section.get("devices", []), f"{where}.devices")
    if alien:
        config["mounts"] = _mounts(config.get("mounts"))
        linux["namespaces"] = [{"type": kind} for kind in _namespaces(jail, "hostname" in config)]
        linux.setdefault("maskedPaths", list(MASKED))
        linux.setdefault("readonlyPaths", list(READ_ONLY))
        _capabilities(config.get("process"), allow)
    # The section came with 1.3, which runtimes need not know that are to see nothing of it.
    config["ociVersion"] = "1.0.2"


def _devices(linux: "dict[str, Any]", devices: "Any", where: str) -> None:
    if not isinstance(devices, list):
        raise OciError(f"{where}: not a list")
    for device in devices:
        path = device.get("path") if isinstance(device, dict) else None
        if not isinstance(path, str) or not path or path.startswith("/") or ".." in path.split("/"):
            raise OciError(f"{where}: {path!r} is not the name of a device in /dev")
        try:
            status = os.stat(f"/dev/{path}")
        except OSError as error:
            raise OciError(f"{where}: /dev/{path}: {error.strerror}: Linux has no such device") from None
        kind = {stat.S_IFCHR: "c", stat.S_IFBLK: "b"}.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            raise OciError(f"{where}: /dev/{path}: no device")
        numbers = {"type": kind, "major": os.major(status.st_rdev), "minor": os.minor(status.st_rdev)}
        mode = device.get("mode", stat.S_IMODE(status.st_mode))
        if not isinstance(mode, int):
            raise OciError(f"{where}: {path}: mode: not a number")
        linux.setdefault("devices", []).append({"path": f"/dev/{path}", "fileMode": mode & 0o7777, **numbers})
        resources = linux.setdefault("resources", {})
        resources.setdefault("devices", []).append({"allow": True, "access": "rwm", **numbers})


def _mounts(mounts: "Any") -> "list[Any]":
    """FreeBSD's file systems by Linux's names; and what LSF needs of Linux's, where it is not there."""
    made: list[Any] = []
    for mount in mounts if isinstance(mounts, list) else []:
        if not isinstance(mount, dict):
            made.append(mount)
            continue
        kind, options = mount.get("type"), mount.get("options", [])
        if kind == "nullfs":
            made.append({**mount, "type": "bind", "options": ["rbind", *options]})
        elif kind == "devfs":
            made += [
                {**part, "destination": str(mount.get("destination")) + part["destination"][4:]} for part in _DEVFS
            ]
        elif kind in ("procfs", "linprocfs"):
            made.append({**_PROC, "destination": mount.get("destination")})
        elif kind != "fdescfs":  # Linux's runtimes make /dev/fd
            made.append(mount)
    places = {mount.get("destination") for mount in made if isinstance(mount, dict)}
    needed = [
        part
        for part in (*_DEVFS, _PROC)
        if part["destination"] not in places and ("/dev" not in places or part is _PROC)
    ]
    return needed + made


def _namespaces(jail: "dict[str, Any]", has_hostname: bool) -> "list[str]":
    kinds = ["pid", "mount"]
    if jail.get("host") == _NEW or has_hostname and jail.get("host") != _INHERIT:
        kinds.append("uts")
    # System V's three kinds are one namespace on Linux: it is shared where all are.
    if any(jail.get(name, _NEW) != _INHERIT for name in ("sysvmsg", "sysvsem", "sysvshm")):
        kinds.append("ipc")
    if jail.get("vnet") == _NEW or jail.get("ip4") == jail.get("ip6") == _DISABLE:
        kinds.append("network")
    return kinds


def _capabilities(process: "Any", allow: "dict[str, Any]") -> None:
    if not isinstance(process, dict) or "capabilities" in process:
        return
    names = [] if allow.get("suser") is False else list(CAPABILITIES)
    if names and allow.get("reservedPorts") is not False:
        names.append("NET_BIND_SERVICE")
    if names and allow.get("rawSockets"):
        names.append("NET_RAW")
    if names and allow.get("chflags"):
        names.append("LINUX_IMMUTABLE")
    chosen = [f"CAP_{name}" for name in names]
    process["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), chosen)
