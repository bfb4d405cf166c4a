"""What becomes of config.json: where a container has FreeBSD's files or program, the shim is mounted and the process led through it."""

import os

from lsf import roots
from lsf.oci import program
from lsf.oci.errors import OciError
from lsf.oci.tree import Tree
from lsf.start.files import DEFAULT_PATH, shim_path
from lsf.start.handover import VERSION, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard

#: Where the shim's image is seen in a container: in the first of these folders that is memory of the container's own, so that no image
#: gets a file by it; else at the top, where crun and runc make the place that is mounted on.
FOLDERS = ("/dev", "/run")
NAME = "lsf"
TOP = "/.lsf"
PLACES = (*(f"{folder}/{NAME}" for folder in FOLDERS), TOP)
#: What only FreeBSD's userland has.
WITNESSES = ("/bin/freebsd-version", "/libexec/ld-elf.so.1", "/lib/libc.so.7", "/rescue/sh")
#: "true" or "false": what no file tells. The second is the image specification's name (conversion.md).
ANNOTATION, OS_ANNOTATION = "lsf.freebsd", "org.opencontainers.image.os"
OSRELEASE = "LSF_OSRELEASE"


def rewrite(config: "dict[str, Any]", bundle: str) -> bool:
    """Change a configuration where FreeBSD is concerned: whether it was. bundle: the folder that relative paths start at.

    Raises OciError for what cannot be run.
    """
    root = _root(config, bundle)
    if root is None:
        return False  # crun and runc say what is wrong with it
    section = "freebsd" in config
    if section:
        from lsf.oci import freebsd

        freebsd.to_linux(config, bundle)
    mounts = [mount for mount in _list(config, "mounts") if not _is_ours(mount)]
    tree = Tree(root, mounts, bundle)
    wanted = _wanted(config)
    process = config.get("process")
    args = process.get("args") if isinstance(process, dict) else None
    own = without_shim(args) if is_args(args) else []
    found = _find(tree, process, own) if own and isinstance(process, dict) else program.Program()
    if wanted is False or not (wanted or section or found.kind == program.FREEBSD or _has_userland(tree)):
        return section
    if not isinstance(process, dict):
        raise OciError(f"{bundle}/config.json: it has no process to run")
    if not own:
        raise OciError(f"{bundle}/config.json: process.args is not a list of strings that begins with a program")
    if found.machine != "amd64":
        raise OciError(f"{own[0]}: a FreeBSD program for {found.machine}; LSF runs those for amd64")
    image = shim_path()
    if not os.access(image, os.X_OK):
        raise OciError(f"{image}: not there or not executable; the package is not built completely")
    mounts = [mount for mount in mounts if not _is_covered(tree, mount)]
    place = _place(mounts)
    # Last, so that nothing else is mounted over it.
    mounts.append({"destination": place, "type": "bind", "source": image, "options": ["bind", "ro", "nosuid", "nodev"]})
    config["mounts"] = mounts
    process["args"] = lead(own, [place, _words(tree, found, process), "--"], tree)
    return True


def lead(args: "list[str]", shim: "list[str]", tree: "Tree | None" = None) -> "list[str]":
    """The arguments by which a program is run through the shim. An init that the engine has put in front stays there: it is Linux's,
    and starts what follows its `--`."""
    if len(args) > 2 and args[1] == "--" and (tree is None or tree.is_mounted(args[0])):
        return [*args[:2], *shim, *args[2:]]
    return [*shim, *args]


def shim_of(config: "Any") -> "list[str]":
    """The first arguments of a process that was led through the shim, [] where it was not."""
    process = config.get("process") if isinstance(config, dict) else None
    args = process.get("args") if isinstance(process, dict) else None
    if not is_args(args):
        return []
    for at in (0, 2):
        if len(args) > at + 3 and args[at] in PLACES and args[at + 2] == "--":
            return list(args[at : at + 3])
    return []


def without_shim(args: "list[str]") -> "list[str]":
    """The arguments as they were: a bundle may be run twice."""
    for at in (0, 2):
        if len(args) > at + 3 and args[at] in PLACES and args[at + 2] == "--":
            return args[:at] + args[at + 3 :]
    return args


def is_args(args: "Any") -> "TypeGuard[list[str]]":
    """Whether they begin with a program."""
    return isinstance(args, list) and bool(args) and all(isinstance(arg, str) for arg in args) and bool(args[0])


def _list(config: "dict[str, Any]", key: str) -> "list[Any]":
    value = config.get(key)
    return value if isinstance(value, list) else []


def _root(config: "dict[str, Any]", bundle: str) -> str | None:
    root = config.get("root")
    path = root.get("path") if isinstance(root, dict) else None
    if not isinstance(path, str) or not path:
        return None
    path = os.path.realpath(os.path.join(bundle, path))
    return path if os.path.isdir(path) else None


def _is_ours(mount: "Any") -> bool:
    return (
        isinstance(mount, dict)
        and mount.get("destination") in PLACES
        and str(mount.get("source")).endswith("/" + os.path.basename(shim_path()))
    )


def _is_covered(tree: Tree, mount: "Any") -> bool:
    """Whether a mount shows Linux's kernel where FreeBSD has a link: /sys leads to the kernel's sources there, and runc mounts neither
    sysfs nor cgroups on a link."""
    if not isinstance(mount, dict) or mount.get("type") not in ("sysfs", "cgroup", "cgroup2"):
        return False
    place = mount.get("destination")
    return isinstance(place, str) and Tree(tree.root, [], "").resolve(place) != os.path.normpath(place)


def _wanted(config: "dict[str, Any]") -> bool | None:
    """What the annotations say; None: nothing."""
    notes = config.get("annotations")
    if not isinstance(notes, dict):
        return None
    said = notes.get(ANNOTATION)
    if said is not None:
        if said not in ("true", "false"):
            raise OciError(f"annotation {ANNOTATION}={said}: neither true nor false")
        return bool(said == "true")
    return True if str(notes.get(OS_ANNOTATION, "")).lower() == "freebsd" else None


def _variable(process: "dict[str, Any]", name: str) -> str | None:
    found = None
    for text in _list(process, "env"):
        if isinstance(text, str) and text.startswith(name + "="):
            found = text[len(name) + 1 :]
    return found


def _find(tree: Tree, process: "dict[str, Any]", args: "list[str]") -> program.Program:
    """The program that the arguments name, or the interpreter of the script that they do."""
    path = _variable(process, "PATH") or DEFAULT_PATH
    directory = process.get("cwd")
    directory = directory if isinstance(directory, str) else "/"
    name = args[2] if len(args) > 2 and args[1] == "--" and tree.is_mounted(args[0]) else args[0]
    found = tree.find_program(name, path, directory)
    known = program.examine(found) if found is not None else program.Program()
    if known.kind == program.SCRIPT:
        found = tree.find(known.interpreter) if known.interpreter.startswith("/") else None
        known = program.examine(found) if found is not None else program.Program()
    return known


def _has_userland(tree: Tree) -> bool:
    return any(tree.find(name) is not None for name in WITNESSES)


def _place(mounts: "list[Any]") -> str:
    kinds = {os.path.normpath(mount["destination"]): mount.get("type") for mount in mounts
             if isinstance(mount, dict) and isinstance(mount.get("destination"), str)}  # fmt: skip
    return next((f"{folder}/{NAME}" for folder in FOLDERS if kinds.get(folder) == "tmpfs"), TOP)


def _words(tree: Tree, found: program.Program, process: "dict[str, Any]") -> str:
    """What the shim is told: FreeBSD's release is the userland's, unless the environment says which; Linux programs run as they are."""
    words = [word("VERSION", VERSION), word("LINUX", 1)]
    if not _variable(process, OSRELEASE):
        number = _release(tree) or found.osreldate
        if number:
            words.append(word("OSRELDATE", number))
    return ",".join(words)


def _release(tree: Tree) -> int:
    """FreeBSD's number for a userland's release: what its freebsd-version says, else what its libraries and tools were built for; 0 unknown."""
    script = tree.find("/bin/freebsd-version")
    try:
        fd = os.open(script, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC) if script is not None else -1
    except OSError:
        fd = -1
    if fd >= 0:
        try:
            number = roots.number_of(roots.version_line(os.fsdecode(os.read(fd, 1 << 16))))
        except OSError:
            number = 0
        finally:
            os.close(fd)
        if number:
            return number
    found = (tree.find(f"/{name}") for name in roots.NOTED)
    return next((number for path in found if path is not None and (number := program.examine(path).osreldate)), 0)
