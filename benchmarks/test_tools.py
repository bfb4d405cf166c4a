"""FreeBSD's own tools from a root, beside the tools of this Linux that are nearest to them."""

import shutil
import time

import harness
import pytest
from conftest import wall_nanoseconds

pytestmark = pytest.mark.tools

COMMANDS, BLOCKS, FILES, TARRED, PROBES = 1000, 200_000, 20_000, 2_000, 100
NEEDED = (
    "bin/sh",
    "bin/dd",
    "usr/bin/true",
    "usr/bin/find",
    "usr/bin/tar",
    "usr/bin/sed",
    "usr/bin/grep",
    "bin/expr",
    "bin/cat",
    "bin/rm",
)
SCRIPT = f"i=0; while [ $i -lt {COMMANDS} ]; do /usr/bin/true; i=$((i+1)); done"

#: What a configure script does for each feature: write a source, look for something in it, note what was found.
CONFIGURE = f"""
cd $1 || exit 1
rm -f config.log config.h; i=0
while [ $i -lt {PROBES} ]; do
    i=`expr $i + 1`
    cat > conftest.c <<END
int feature_$i(void); int main(void) {{ return feature_$i(); }}
END
    name=`echo "feature $i" | sed 'y/abcdefghijklmnopqrstuvwxyz /ABCDEFGHIJKLMNOPQRSTUVWXYZ_/'`
    if grep "feature_$i" conftest.c >/dev/null 2>&1 && (exit 0); then
        echo "#define HAVE_$name 1" >> config.h
    fi
    echo "checking for feature $i... yes" >> config.log
    rm -f conftest.c conftest.o
done
sed -e 's/HAVE_/HAS_/' config.h > config.h.new && [ `grep -c HAS_ config.h.new` -eq {PROBES} ]
"""


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """A root of our own, with the trees that the tools walk."""
    found = harness.root_with(*NEEDED, covers="the benchmarks of FreeBSD's tools")
    target = harness.copy_root(found, tmp_path_factory.mktemp("root"), ("bin", "lib", "libexec", "usr/bin", "usr/lib"))
    for name, files, size in (("many", FILES, 0), ("some", TARRED, 4096)):
        for number in range(files):
            folder = target / name / f"{number // 200:03}"
            if number % 200 == 0:
                folder.mkdir(parents=True)
            (folder / f"file{number % 200}").write_bytes(b"x" * size)
    return target


@pytest.fixture
def tool(side_by_side, engine, root, tmp_path):
    """tool(program, arguments, count, ...): a FreeBSD program in the root beside a Linux one on the same tree."""
    run = harness.Runner(engine, tmp_path)

    def measure(program, arguments, native, count, rounds=5, **info):
        def guest():
            begin = time.perf_counter_ns()
            result = run(program, *arguments, root=root, timeout=120)
            taken = time.perf_counter_ns() - begin
            result.check(stderr=None)
            return taken

        side_by_side(guest, lambda: wall_nanoseconds(native, cwd=root), count, rounds=rounds, engine=engine, **info)

    return measure


def test_sh(tool):
    """A shell that runs 1,000 commands."""
    tool("/bin/sh", ["-c", SCRIPT], ["/bin/sh", "-c", SCRIPT], COMMANDS, rounds=3, per="command",
         native_is="this Linux's /bin/sh and true")  # fmt: skip


def test_configure(tool, root, tmp_path):
    """A script as configure scripts are: sed, grep, expr, cat and rm in turn, here-documents, subshells."""
    (root / "work").mkdir(exist_ok=True)
    (tmp_path / "native").mkdir()
    tool("/bin/sh", ["-c", CONFIGURE, "sh", "/work"], ["/bin/sh", "-c", CONFIGURE, "sh", str(tmp_path / "native")], PROBES, rounds=3,
         per="feature", native_is="this Linux's /bin/sh and GNU tools")  # fmt: skip


def test_dd(tool):
    """dd bs=1: a read and a write for each byte."""
    arguments = ["if=/dev/zero", "of=/dev/null", "bs=1", f"count={BLOCKS}"]
    tool("/bin/dd", arguments, ["dd", *arguments], BLOCKS, per="block", native_is="GNU dd")


def test_find(tool):
    """find over 20,000 files, each of which it must look at."""
    test = ["-type", "f", "-size", "+1000"]
    tool("/usr/bin/find", ["/many", *test], ["find", "many", *test], FILES, per="file", native_is="GNU find")


def test_tar(tool):
    """An archive of 2,000 files of 4 KiB."""
    native = shutil.which("bsdtar")
    tool("/usr/bin/tar", ["-cf", "/freebsd.tar", "/some"], [native or "tar", "-cf", "linux.tar", "some"], TARRED, per="file",
         native_is="bsdtar" if native else "GNU tar")  # fmt: skip
