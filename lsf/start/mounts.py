"""A view by mounts: a tree of this process's own, made of bind mounts on a folder in memory, in namespaces of its own.

Nothing is ever written into a root for it.
"""

import os
import stat

from lsf.start.errors import LaunchError
from lsf.start.files import shim_path, with_large_files
from lsf.start.plan import SYSTEM, Bind, parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

BINFMT = "/proc/sys/fs/binfmt_misc"


class _Tree:
    """A mount tree under construction. `folders` are those in memory, in which new names can be made until `seal`."""

    def __init__(self, namespace: "ModuleType") -> None:
        self.namespace = namespace
        self.folders: set[str] = set()

    def folder(self, target: str) -> None:
        self.namespace.mount_tmpfs(target)
        self.folders.add(target)

    def show(self, source: str, target: str) -> None:
        """Show a file, a folder or a symbolic link at a place in a folder in memory where nothing is yet."""
        mode = os.lstat(source).st_mode
        if stat.S_ISLNK(mode):
            os.symlink(os.readlink(source), target)
            return
        self.place(target, stat.S_ISDIR(mode))
        self.namespace.bind(source, target)

    @staticmethod
    def place(target: str, is_folder: bool) -> None:
        """Make what can be mounted on."""
        if is_folder:
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))

    def is_in_memory(self, folder: str) -> bool:
        """Whether a folder is one of `folders`, or was made in one of them."""
        return os.stat(folder).st_dev in {os.stat(known).st_dev for known in self.folders}

    def make_room(self, path: str, is_folder: bool) -> str:
        """Where to mount something that shall be seen as `path`; to be called inside the view.

        Where the name is not there, the nearest folder above is replaced by one in memory with all that it has.
        """
        path = os.path.realpath(path)
        if os.path.lexists(path):
            return path
        above, missing = os.path.dirname(path), [path]
        while not os.path.lexists(above):
            missing.append(above)
            above = os.path.dirname(above)
        if not self.is_in_memory(above):
            original = os.open(above, os.O_PATH | os.O_DIRECTORY)
            names = os.listdir(above)
            self.folder(above)
            for name in names:
                self.show(f"/proc/self/fd/{original}/{name}", os.path.join(above, name))
            os.close(original)
        while missing:
            name = missing.pop()
            self.place(name, is_folder or bool(missing))
        return path

    def bind(self, source: int, path: str, read_only: bool = False) -> None:
        """Show an opened file or folder as `path`; to be called inside the view."""
        target = self.make_room(path, stat.S_ISDIR(os.fstat(source).st_mode))
        self.namespace.bind(f"/proc/self/fd/{source}", target)
        if read_only:
            self.namespace.protect(target)

    def seal(self) -> None:
        for folder in self.folders:
            self.namespace.make_read_only(folder)


def _show_merged(tree: _Tree, top: str, root: str) -> None:
    """Fill the folder `top` with the merged view. root: the root's folder, by descriptor, since `top` covers it."""
    roots_var = False
    for name, source, is_roots in parts(root):
        target = os.path.join(top, name)
        if is_roots:
            roots_var |= name == "var"
            if name == "etc" and stat.S_ISDIR(os.lstat(source).st_mode):
                _show_etc(tree, source, target)
            else:
                tree.show(source, target)
            continue
        try:
            tree.show(source, target)
        except OSError:
            if name in SYSTEM:
                raise
            # A mount of the host's that not even its root may touch leaves an empty folder.
    if roots_var and os.path.isdir(f"{top}/var/tmp") and os.path.isdir("/var/tmp"):
        tree.namespace.bind("/var/tmp", f"{top}/var/tmp")


def _show_etc(tree: _Tree, source: str, target: str) -> None:
    """The root's /etc with the host's users, groups, resolv.conf, hosts and localtime laid over it."""
    from lsf.start import hostetc

    os.mkdir(target)
    layer = hostetc.cached(source)
    try:
        upper = hostetc.open_layer(layer) if layer else -1
    except OSError:
        layer = None
    if layer is None:
        tree.namespace.mount_tmpfs(target, bindable=True)  # below the mount that follows
        layer = target
        try:
            with_large_files(lambda: hostetc.write(hostetc.contents(source), target))
        except OSError:
            layer = "/etc"  # not even memory may be written to (a hard limit): the root keeps its users and groups
        upper = os.open(layer, os.O_RDONLY)
    lower = os.open(source, os.O_PATH)
    try:
        if layer == "/etc":
            raise OSError
        tree.namespace.mount_layers(f"/proc/self/fd/{upper}", f"/proc/self/fd/{lower}", target)
    except OSError:
        # No overlay here: the host's files over those that the root has.
        tree.namespace.bind(f"/proc/self/fd/{lower}", target)
        for name in hostetc.HOSTS if layer == "/etc" else os.listdir(upper):
            if os.path.isfile(os.path.join(target, name)) and os.path.isfile(os.path.join(layer, name)):
                tree.namespace.bind(f"/proc/self/fd/{upper}/{name}", os.path.join(target, name))
    finally:
        os.close(upper)
        os.close(lower)


def _is_whole(root: str, place: str, binds: list[Bind]) -> bool:
    """Whether the root's own top can be shown: every name at it that something is mounted on is there, all users may enter it as they
    may FreeBSD's, and no bind has the root in itself, and so the view. root, place: its folder by descriptor, and by name."""
    names = [*SYSTEM, *(bind.target.split("/")[1] for bind in binds)]
    inside = os.path.realpath(place) + "/"
    return (
        os.stat(root).st_mode & 0o555 == 0o555
        and all(os.path.isdir(f"{root}/{name}") for name in (*SYSTEM, "tmp"))
        and all(os.path.exists(f"{root}/{name}") and not os.path.islink(f"{root}/{name}") for name in names)
        and not any(inside.startswith(os.path.realpath(bind.source).rstrip("/") + "/") for bind in binds)
    )


def _show_whole(tree: _Tree, top: str) -> None:
    """The isolated view on the root's own top, in which new names can be made."""
    for name in SYSTEM:
        tree.namespace.bind("/" + name, os.path.join(top, name))


def _show_isolated(tree: _Tree, top: str, root: str) -> None:
    """Fill the folder `top` with the root alone."""
    for name in os.listdir(root):
        if name not in SYSTEM:
            tree.show(f"{root}/{name}", os.path.join(top, name))
    for name in SYSTEM:
        tree.show("/" + name, os.path.join(top, name))
    if not os.path.lexists(f"{top}/tmp"):
        os.mkdir(f"{top}/tmp")
        tree.namespace.mount_tmpfs(f"{top}/tmp", 0o1777)


def _open_sources(binds: list[Bind]) -> list[int]:
    sources = []
    for bind in binds:
        try:
            sources.append(os.open(bind.source, os.O_PATH))
        except OSError as error:
            raise bind.wrong(error.strerror) from None
    return sources


def _bind_all(tree: _Tree, binds: list[Bind], sources: list[int]) -> None:
    for bind, source in zip(binds, sources, strict=True):
        try:
            tree.bind(source, bind.target, bind.read_only)
        except OSError as error:
            raise bind.wrong(f"cannot be shown at {bind.target}: {error.strerror}") from None
        os.close(source)


def _need_proc() -> None:
    """A tree of mounts is made by descriptors, whose names are in /proc. Raises OSError where that is missing."""
    if not os.path.isdir("/proc/self/fd"):
        raise OSError("there is no /proc here")


def _own_namespaces(namespace: "ModuleType") -> None:
    """A mount tree of this process's own, in a user namespace where that is what it takes. Raises OSError."""
    if os.geteuid() == 0:
        try:
            namespace.unshare_mounts()
            if _own_user_namespace and _can_have_binfmt():
                _register(namespace)
            return
        except PermissionError:
            pass  # a container's root without CAP_SYS_ADMIN is as a user
    uid, gid = os.geteuid(), os.getegid()
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        _try_in_child(namespace)
    if not _can_have_binfmt():
        namespace.unshare_user()
        namespace.unshare_mounts()
        return
    # Only the root of the namespace that mounts binfmt_misc may write to it, so the user's own ids come back in another
    # namespace inside, which looks a program's interpreter up in the outer one.
    namespace.unshare_user(0, 0)
    namespace.unshare_mounts()
    _register(namespace)
    namespace.unshare_user(uid, gid)
    namespace.unshare_mounts()


_own_user_namespace = False  # this process is the root of one


def become_root() -> None:
    """Show this process's user as root, in a user namespace where it is not root already. Raises LaunchError."""
    global _own_user_namespace
    if os.geteuid() == 0:
        return
    try:
        from lsf import _namespace

        if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
            _try_in_child(_namespace)
        _namespace.unshare_user(0, 0)
        _own_user_namespace = True
    except (ImportError, OSError) as error:
        raise LaunchError(
            f"--fakeroot: needs user namespaces, which are not allowed here ({error}): {remedy()}"
        ) from None


def _try_in_child(namespace: "ModuleType") -> None:
    """Ubuntu's AppArmor lets everybody into a user namespace and nobody do anything there, and there is no way back out of
    it. Raises OSError for that."""
    import _signal

    ignored = _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # where it is ignored there is no child to wait for
    child = os.fork()
    if child == 0:
        try:
            namespace.unshare_user()
            namespace.unshare_mounts()
            os._exit(0)
        except OSError as error:
            os._exit((error.errno or 1) & 0xFF)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _signal.signal(_signal.SIGCHLD, ignored)
    if status:
        raise OSError(status, os.strerror(status))


def _can_have_binfmt() -> bool:
    """Whether a user namespace can have a binfmt_misc of its own, and the machine's does not know LSF already."""
    version = os.uname().release.split(".")
    try:
        new = (int(version[0]), int(version[1])) >= (6, 7)
    except (IndexError, ValueError):
        return False
    return new and os.path.isdir(BINFMT) and not os.path.exists(BINFMT + "/lsf")


def _register(namespace: "ModuleType") -> None:
    """Let Linux programs in this user namespace start FreeBSD programs. Where that fails, they do not."""
    from lsf.start import binfmt_rule

    try:
        namespace.mount_binfmt(BINFMT)
        register = os.open(BINFMT + "/register", os.O_WRONLY)
        os.write(register, binfmt_rule.line(shim_path()).encode())
        os.close(register)
    except (OSError, binfmt_rule.BinfmtError):
        pass


def _setting(name: str) -> str:
    try:
        fd = os.open("/proc/sys/" + name, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.fsdecode(os.read(fd, 64)).strip()
    finally:
        os.close(fd)


def remedy() -> str:
    """What makes user namespaces available on this machine, as far as it tells."""
    if not os.path.isdir("/proc/self"):
        return "`mount -t proc proc /proc` brings what they are made with"
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return "as root, `sysctl kernel.apparmor_restrict_unprivileged_userns=0` allows them"
    if _setting("kernel/unprivileged_userns_clone") == "0":
        return "as root, `sysctl kernel.unprivileged_userns_clone=1` allows them"
    if _setting("user/max_user_namespaces") == "0":
        return "as root, `sysctl user.max_user_namespaces=10000` allows them"
    return "run as root, or start the container with --cap-add SYS_ADMIN or --cap-add SYS_CHROOT"


def show_binds(binds: list[Bind], cwd: str) -> str | None:
    """Without a root: the host's tree with binds in it. Returns None, or why this is not to be had. Raises LaunchError."""
    from lsf import _namespace

    tree = _Tree(_namespace)
    try:
        _need_proc()
        _own_namespaces(_namespace)
    except OSError as error:
        return str(error)
    sources = _open_sources(binds)
    for bind in binds:
        if not os.path.isdir("/" + bind.target.split("/")[1]):
            raise bind.wrong("without a root, no new name can be shown at the top")
    _bind_all(tree, binds, sources)
    tree.seal()
    os.chdir(cwd)
    return None


def show_root(root: str, isolated: bool, binds: list[Bind], cwd: str) -> str | None:
    """Enter a view by mounts. Returns None, or why this is not to be had."""
    try:
        from lsf import _namespace
    except ImportError as error:
        return str(error)
    try:
        _need_proc()
        _own_namespaces(_namespace)
        here = os.open(cwd, os.O_PATH)
        sources = _open_sources(binds)
        original = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        source = f"/proc/self/fd/{original}"
        whole = isolated and _is_whole(source, root, binds)
        if whole:
            _namespace.bind(source, root)
        else:
            _namespace.mount_tmpfs(root)
    except OSError as error:
        return str(error)
    tree = _Tree(_namespace)
    try:
        if whole:
            _show_whole(tree, root)
        else:
            (_show_isolated if isolated else _show_merged)(tree, root, source)
        lasting = os.open("/var/tmp", os.O_PATH) if not isolated and os.path.isdir("/var/tmp") else -1
        os.chroot(root)
        os.chdir("/")
        if not whole:
            tree.folders.add("/")
        if lasting >= 0:
            if os.path.isdir("/var") and not os.path.lexists("/var/tmp"):
                tree.bind(lasting, "/var/tmp")
            os.close(lasting)
        if not isolated and not _is_same(cwd, here):
            tree.bind(here, cwd)
        _bind_all(tree, binds, sources)
        tree.seal()
        os.chdir(cwd)
    except OSError as error:
        raise LaunchError(f"the view of {root} cannot be made: {error}") from None
    os.close(here)
    os.close(original)
    return None


def _is_same(path: str, opened: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(opened))
    except OSError:
        return False
