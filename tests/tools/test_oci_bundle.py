"""lsf-oci's change of config.json: what it changes, what it leaves, and what it refuses."""

from __future__ import annotations

import copy
import json
import os
import subprocess

import harness
import hypothesis
import pytest
from hypothesis import strategies

from lsf.oci import freebsd
from lsf.start import handover


class Refused(Exception):
    """What lsf-oci says."""


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    return harness.commands(tmp_path_factory.mktemp("commands") / "bin") / "lsf-oci"


def create(command, folder, text: str) -> str:
    """What becomes of a bundle's config.json. Raises Refused; nothing has changed then, and nothing lies beside it."""
    path = folder / "config.json"
    path.write_text(text)
    done = subprocess.run([command, "--runtime", "/bin/true", "create", "--bundle", folder, "x"], capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip
    assert [name for name in os.listdir(folder) if "lsf" in name] == []
    if done.returncode:
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
        assert path.read_text() == text
        raise Refused(done.stderr.removeprefix("lsf-oci: ").rstrip("\n"))
    assert (done.stdout, done.stderr) == ("", "")
    return path.read_text()


def elf(osabi: int = 9, machine: int = 62, order: str = "little", note: int = 0, interpreter: bytes = b"") -> bytes:
    """The head of an ELF file: osabi 9 is FreeBSD's, note the number of its ABI note."""
    head = b"\x7fELF" + bytes((2, 1 if order == "little" else 2, 1, osabi)) + bytes(8)
    headers, data, at = [], b"", 64 + 2 * 56
    if note:
        text = (8).to_bytes(4, "little") + (4).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"FreeBSD\0"
        text += note.to_bytes(4, "little")
        headers.append((4, at + len(data), len(text)))
        data += text
    if interpreter:
        headers.append((3, at + len(data), len(interpreter) + 1))
        data += interpreter + b"\0"
    rows = b"".join(
        kind.to_bytes(4, "little")
        + bytes(4)
        + place.to_bytes(8, "little")
        + bytes(16)
        + size.to_bytes(8, "little")
        + bytes(16)
        for kind, place, size in headers
    )
    head += (2).to_bytes(2, order) + machine.to_bytes(2, order) + bytes(12) + (64).to_bytes(8, order) + bytes(14)
    head += (56).to_bytes(2, order) + len(headers).to_bytes(2, order) + bytes(6)
    return head.ljust(64, b"\0") + rows.ljust(2 * 56, b"\0") + data


@pytest.fixture
def bundle(tmp_path):
    """A bundle with a root that has a FreeBSD sh and userland of 13.5, and a Linux program."""
    root = tmp_path / "rootfs"
    for folder in ("bin", "libexec", "usr/src", "home"):
        (root / folder).mkdir(parents=True)
    for name, data in (
        ("bin/sh", elf(note=1305000)),
        ("bin/freebsd-version", b'#!/bin/sh\nUSERLAND_VERSION="13.5-RELEASE-p2"\n'),
        ("libexec/ld-elf.so.1", elf()),
        ("bin/linux", elf(osabi=0, interpreter=b"/lib64/ld-linux-x86-64.so.2")),
    ):
        (root / name).write_bytes(data)
        (root / name).chmod(0o755)
    (root / "sys").symlink_to("usr/src/sys")
    return tmp_path


def config(*args: str, **more):
    """What an engine writes, in short."""
    return {
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs"},
        "process": {"args": list(args) or ["sh"], "env": ["PATH=/usr/bin:/bin"], "cwd": "/"},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs"},
        ],
        "linux": {},
        **more,
    }


@pytest.fixture
def rewritten(command):
    """Whether there was a change of a configuration, and the configuration after it."""

    def complete(bundle, wanted):
        text = json.dumps(wanted)
        after = create(command, bundle, text)
        return after != text, json.loads(after)

    return complete


def words(args):
    return dict(word.split("=") for word in args[1].split(","))


def test_a_freebsd_image(bundle, rewritten):
    was, done = rewritten(bundle, config("sh", "-c", "true"))
    assert was
    assert done["process"]["args"][0] == "/dev/lsf"
    assert done["process"]["args"][2:] == ["--", "sh", "-c", "true"]
    assert words(done["process"]["args"]) == {"v": f"{handover.VERSION:x}", "z": "1", "r": f"{1305000:x}"}
    shim = done["mounts"][-1]
    assert (shim["destination"], shim["type"], shim["options"]) == (
        "/dev/lsf",
        "bind",
        ["bind", "ro", "nosuid", "nodev"],
    )
    assert os.access(shim["source"], os.X_OK)
    # sysfs would lie on FreeBSD's link /sys, which runc refuses
    assert [mount["destination"] for mount in done["mounts"][:-1]] == ["/proc", "/dev"]
    assert {key: value for key, value in done.items() if key not in ("mounts", "process")} == {
        key: value for key, value in config().items() if key not in ("mounts", "process")
    }


def test_a_second_time_it_is_the_same(bundle, rewritten):
    _, once = rewritten(bundle, config("sh", "-c", "true"))
    assert rewritten(bundle, once) == (True, once)
    initialised = config("/init", "--", "sh")
    initialised["mounts"].append({"destination": "/init", "type": "bind", "source": str(bundle / "rootfs/bin/linux")})
    _, once = rewritten(bundle, initialised)
    assert rewritten(bundle, once) == (True, once)


def test_a_linux_image_is_left_alone(bundle, rewritten):
    for name in ("bin/sh", "bin/freebsd-version", "libexec/ld-elf.so.1"):
        (bundle / "rootfs" / name).unlink()
    for args in (["linux"], ["/bin/linux", "-x"], ["nosuch"]):
        wanted = config(*args)
        assert rewritten(bundle, wanted) == (False, wanted)
    wanted = config()
    for broken in ({}, {"args": []}, {"args": [1]}, [], None):
        assert rewritten(bundle, {**wanted, "process": broken}) == (False, {**wanted, "process": broken})


def test_a_linux_program_in_a_freebsd_image(bundle, rewritten):
    """Goes through the shim too: it executes what is Linux's, and what is started by exec later may be FreeBSD's."""
    was, done = rewritten(bundle, config("linux"))
    assert was
    assert done["process"]["args"][2:] == ["--", "linux"]


@pytest.mark.parametrize("way", ["program", "script", "volume", "link", "note", "interpreter"])
def test_a_freebsd_program_in_another_image(bundle, way, rewritten):
    root = bundle / "rootfs"
    for name in ("bin/freebsd-version", "libexec/ld-elf.so.1"):
        (root / name).unlink()
    wanted = config("sh")
    if way == "script":
        (root / "bin/script").write_text("#! /bin/sh -e\n")
        (root / "bin/script").chmod(0o755)
        wanted = config("script")
    elif way == "volume":
        (bundle / "volume").mkdir()
        (root / "bin/sh").rename(bundle / "volume/prog")
        wanted = config("./prog")
        wanted["process"]["cwd"] = "/home/me"
        wanted["mounts"].append({"destination": "/home/me", "type": "bind", "source": "volume", "options": ["rbind"]})
    elif way == "link":
        (root / "bin/linked").symlink_to("/../bin/./sh")
        wanted = config("linked")
    elif way == "note":
        (root / "bin/sh").write_bytes(elf(osabi=0, note=1402000))
    elif way == "interpreter":
        (root / "bin/sh").write_bytes(elf(osabi=0, interpreter=b"/libexec/ld-elf.so.1"))
    was, done = rewritten(bundle, wanted)
    assert was
    number = {"note": 1402000, "interpreter": 0}.get(way, 1305000)
    assert words(done["process"]["args"]).get("r") == (f"{number:x}" if number else None)


def test_the_release_without_a_script(bundle, rewritten):
    """It is what the userland was built for, its C library first; the program itself may have no note, as busybox."""
    root = bundle / "rootfs"
    (root / "bin/freebsd-version").unlink()
    (root / "bin/busybox").write_bytes(elf())
    (root / "bin/busybox").chmod(0o755)
    (root / "libexec/ld-elf.so.1").write_bytes(elf(osabi=0, note=1304000))
    assert words(rewritten(bundle, config("busybox"))[1]["process"]["args"])["r"] == f"{1304000:x}"
    (root / "lib").mkdir(exist_ok=True)
    (root / "lib/libc.so.7").write_bytes(elf(osabi=0, note=1400097))
    assert words(rewritten(bundle, config("busybox"))[1]["process"]["args"])["r"] == f"{1400097:x}"


def test_no_link_leads_out_of_the_root(bundle, tmp_path_factory, rewritten):
    """A FreeBSD program of the host's is none of the image's."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "sh").write_bytes(elf())
    (outside / "sh").chmod(0o755)
    root = bundle / "rootfs"
    for name in ("bin/sh", "bin/freebsd-version", "libexec/ld-elf.so.1"):
        (root / name).unlink()
    (root / "bin/sh").symlink_to(outside / "sh")
    (root / "bin/up").symlink_to("../" * 20 + str(outside).lstrip("/") + "/sh")
    (root / "out").symlink_to(outside)
    (root / "loop").symlink_to("loop")
    for name in ("sh", "up", "/out/sh", "/loop", "/bin/up/x", "bad\0name"):
        assert rewritten(bundle, config(name))[0] is False


def test_an_init_stays_in_front(bundle, rewritten):
    wanted = config("/sbin/init", "--", "sh", "-c", "true")
    wanted["mounts"].append(
        {
            "destination": "/sbin/init",
            "type": "bind",
            "source": str(bundle / "rootfs/bin/linux"),
            "options": ["bind", "ro"],
        }
    )
    args = rewritten(bundle, wanted)[1]["process"]["args"]
    assert args[:3] == ["/sbin/init", "--", "/dev/lsf"]
    assert args[4:] == ["--", "sh", "-c", "true"]
    # An image's own program with such arguments is no init of the engine's.
    args = rewritten(bundle, config("sh", "--", "x"))[1]["process"]["args"]
    assert args[2:] == ["--", "sh", "--", "x"]


def test_where_the_shim_lies(bundle, rewritten):
    wanted = config()
    wanted["mounts"] = [{"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind"]}]
    assert rewritten(bundle, wanted)[1]["mounts"][-1]["destination"] == "/.lsf"
    wanted["mounts"].append({"destination": "/run/", "type": "tmpfs"})
    assert rewritten(bundle, wanted)[1]["mounts"][-1]["destination"] == "/run/lsf"


def test_the_environment_says_which_release(bundle, rewritten):
    wanted = config()
    wanted["process"]["env"].append("LSF_OSRELEASE=14.1")
    assert "r" not in words(rewritten(bundle, wanted)[1]["process"]["args"])


def test_annotations(bundle, rewritten):
    wanted = config(annotations={"lsf.freebsd": "false"})
    assert rewritten(bundle, wanted) == (False, wanted)
    with pytest.raises(Refused, match="neither true nor false"):
        rewritten(bundle, config(annotations={"lsf.freebsd": "maybe"}))
    for name in ("bin/sh", "bin/freebsd-version", "libexec/ld-elf.so.1"):
        (bundle / "rootfs" / name).unlink()
    assert not rewritten(bundle, config("linux"))[0]
    assert rewritten(bundle, config("linux", annotations={"lsf.freebsd": "true"}))[0]
    assert rewritten(bundle, config("linux", annotations={"org.opencontainers.image.os": "FreeBSD"}))[0]


def test_what_is_refused(bundle, rewritten):
    for process, said in (
        (None, "has no process to run"),
        ({"args": []}, "process.args is not a list of strings"),
        ({"args": "sh"}, "process.args is not a list of strings"),
        ({"args": ["sh", 1]}, "process.args is not a list of strings"),
        ({"args": [""]}, "process.args is not a list of strings"),
    ):
        with pytest.raises(Refused, match=said):
            rewritten(bundle, {**config(), "process": process})
    for data, said in ((elf(machine=183), "for aarch64; LSF"), (elf(machine=21, order="big"), "for powerpc64; LSF")):
        (bundle / "rootfs/bin/sh").write_bytes(data)
        with pytest.raises(Refused, match=said):
            rewritten(bundle, config())


@pytest.mark.parametrize(
    "broken",
    [{}, {"root": None}, {"root": {"path": 3}}, {"root": {"path": "nosuch"}}, {"root": {"path": "rootfs/bin/sh"}}],
)
def test_a_root_that_is_none_is_the_runtimes_to_tell(bundle, broken, rewritten):
    wanted = {key: value for key, value in config().items() if key != "root"} | broken
    assert rewritten(bundle, wanted) == (False, wanted)


def test_mounts_that_are_none(bundle, rewritten):
    for mounts in (
        None,
        3,
        [3, {}, {"destination": 5}, {"destination": "/x", "type": 4, "options": "bind", "source": 7}],
    ):
        assert rewritten(bundle, config(mounts=mounts))[0]


@pytest.mark.parametrize(
    ("data", "freebsd"),
    [(elf(), True), (elf(osabi=0), False), (b"text", False), (b"", False), (b"#! \n", False), (b"#!", False), (b"\x7fELF", False),
     (b"#!/bin/sh\n", False)],
)  # fmt: skip
def test_whose_program(bundle, rewritten, data, freebsd):
    root = bundle / "rootfs"
    for name in ("bin/freebsd-version", "libexec/ld-elf.so.1", "bin/linux"):
        (root / name).unlink()
    (root / "bin/sh").write_bytes(data)
    assert rewritten(bundle, config("sh"))[0] == freebsd
    (root / "bin/sh").unlink()
    os.mkfifo(root / "bin/sh")
    assert rewritten(bundle, config("sh"))[0] is False


def test_names_in_a_tree(bundle, rewritten):
    """A program is found through links and mounts as the container will find it."""
    root = bundle / "rootfs"
    (bundle / "data").mkdir()
    (root / "usr/home").mkdir()
    (root / "home").rmdir()
    (root / "home").symlink_to("usr/home")
    for name in ("bin/freebsd-version", "libexec/ld-elf.so.1"):
        (root / name).unlink()
    (root / "bin/sh").rename(bundle / "data/x")
    (root / "tmp").mkdir()
    (root / "tmp/x").symlink_to("/home/me/x")
    mounts = [{"destination": "/home/me", "type": "bind", "source": "data"}, {"destination": "/tmp", "type": "tmpfs"}]
    for name in ("/home/me/../me/./x", "/usr/home/me/x", "/../../usr/home//me/x", "../home/me/x"):
        assert rewritten(bundle, config(name, mounts=mounts))[0], name
    for name in (
        "/home/me/",
        "/home/mex",
        "/home/x",
        "/tmp/x",
        "/bin",
        "x",
        "/home/me/x/y",
        "/" + "a/" * 9000 + "x",
        "a" * 5000,
    ):
        assert not rewritten(bundle, config(name, mounts=mounts))[0], name
    assert rewritten(bundle, config("/tmp/x", mounts=mounts[:1]))[0]


# ---------------------------------------------------------------- the section for FreeBSD


def alien(**jail):
    """A configuration as FreeBSD's engines write it: no section for Linux."""
    made = config(freebsd={"jail": jail}, ociVersion="1.3.0", hostname="there")
    del made["linux"]
    made["mounts"] = [
        {"destination": "/dev", "type": "devfs", "source": "devfs", "options": ["ruleset=4"]},
        {"destination": "/dev/fd", "type": "fdescfs", "source": "fdesc"},
        {"destination": "/home", "type": "nullfs", "source": "/tmp", "options": ["ro"]},
    ]
    return made


def test_the_section_is_said_in_linuxs_words(bundle, rewritten):
    was, done = rewritten(bundle, alien(host="new", vnet="new"))
    assert was
    assert "freebsd" not in done
    assert done["ociVersion"] == "1.0.2"
    assert {space["type"] for space in done["linux"]["namespaces"]} == {"pid", "mount", "uts", "ipc", "network"}
    kinds = [(mount["destination"], mount["type"]) for mount in done["mounts"]]
    assert kinds == [("/proc", "proc"), ("/dev", "tmpfs"), ("/dev/pts", "devpts"), ("/dev/shm", "tmpfs"), ("/home", "bind"),
                     ("/dev/lsf", "bind")]  # fmt: skip
    assert done["mounts"][4]["options"] == ["rbind", "ro"]
    allowed = done["process"]["capabilities"]["bounding"]
    assert "CAP_CHOWN" in allowed
    assert "CAP_NET_BIND_SERVICE" in allowed
    assert not {"CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_LINUX_IMMUTABLE"} & set(allowed)


@pytest.mark.parametrize(
    ("jail", "spaces"),
    [
        ({"vnet": "inherit", "host": "inherit"}, {"pid", "mount", "ipc"}),
        ({"ip4": "disable", "ip6": "disable"}, {"pid", "mount", "uts", "ipc", "network"}),
        ({"ip4": "disable"}, {"pid", "mount", "uts", "ipc"}),
        ({"sysvmsg": "inherit", "sysvsem": "inherit", "sysvshm": "inherit"}, {"pid", "mount", "uts"}),
        ({"sysvmsg": "inherit"}, {"pid", "mount", "uts", "ipc"}),
    ],
)
def test_namespaces_of_a_jail(bundle, jail, spaces, rewritten):
    done = rewritten(bundle, alien(**jail))[1]
    assert {space["type"] for space in done["linux"]["namespaces"]} == spaces


def test_what_a_jail_allows(bundle, rewritten):
    def allowed(**allow):
        return set(rewritten(bundle, alien(allow=allow))[1]["process"]["capabilities"]["effective"])

    assert {"CAP_NET_RAW", "CAP_LINUX_IMMUTABLE"} <= allowed(rawSockets=True, chflags=True)
    assert "CAP_NET_BIND_SERVICE" not in allowed(reservedPorts=False)
    assert not allowed(suser=False, rawSockets=True)


def test_devices_of_the_section(bundle, rewritten):
    wanted = alien()
    wanted["freebsd"]["devices"] = [{"path": "null", "mode": 0o600}]
    linux = rewritten(bundle, wanted)[1]["linux"]
    assert linux["devices"] == [{"path": "/dev/null", "fileMode": 0o600, "type": "c", "major": 1, "minor": 3}]
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm", "type": "c", "major": 1, "minor": 3}]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (3, "freebsd: not an object"),
        ({"jail": []}, "jail: not an object"),
        ({"jail": {"vnet": "disable"}}, "jail.vnet: 'disable': not one of new, inherit"),
        ({"jail": {"parent": "other"}}, "jail.parent: containers that share a jail"),
        ({"jail": {"allow": {"mount": ["tmpfs"]}}}, "allow.mount: LSF's programs mount nothing"),
        ({"devices": [{"path": "pf"}]}, "/dev/pf: No such file or directory: Linux has no such device"),
        ({"devices": [{"path": "../etc/passwd"}]}, "is not the name of a device"),
        ({"devices": [{"path": "fd"}]}, "/dev/fd: no device"),
        ({"devices": {}}, "devices: not a list"),
    ],
)
def test_what_the_section_cannot_have(bundle, section, said, rewritten):
    with pytest.raises(Refused) as told:
        rewritten(bundle, config(freebsd=section))
    assert said in str(told.value)
    assert str(told.value).startswith(f"{bundle}/config.json: freebsd")


def test_a_section_beside_linuxs(bundle, rewritten):
    """An engine that writes both is Linux's: its namespaces and mounts stay."""
    wanted = config(freebsd={"jail": {"vnet": "new"}})
    done = rewritten(bundle, wanted)[1]
    assert done["linux"] == {}
    assert "freebsd" not in done
    assert freebsd.CAPABILITIES  # given only where FreeBSD's engine wrote the process
    assert "capabilities" not in done["process"]


# ---------------------------------------------------------------- JSON


def test_what_is_not_json(command, bundle):
    good = json.dumps(config())
    for broken in ("", "{", "{}x", '{"a":}', '{"a" 1}', "{1:2}", "{,}", '{"a":1,}', "[1,]", "[1", "nul", '"\\x"', '"\\u12g4"', '"abc', "-", "1.", "1e",
                   "[" * 5000, good + "}", good[:-1], good.replace(":", "", 1), "\x00", "tru", "+1"):  # fmt: skip
        with pytest.raises(Refused, match="config.json: not JSON: byte "):
            create(command, bundle, broken)
    for other in ("[]", "1", '"x"', "null", " [1, -2.5e+3, {}] ", "{}"):
        assert create(command, bundle, other) == other


def test_what_stays_as_it_was(command, bundle):
    """All but the arguments and mounts, to the byte; the last of two of a name counts, as for crun and runc."""
    text = (
        '{ "x" : [1, -2.5E-7, 18446744073709551615, "\u00e9\\u20ac\\ud83d\\ude00\\"\\\\\\n", true, {}] ,\n\t"root":{"path":"rootfs"},'
        '"process":{"args":["no"],"env":[],"args":[ "\\u0073h" , "\\ud800\\"" ],"cwd":"/bin"},"ociVersion":"1.0.2"}'
    )
    after = create(command, bundle, text)
    assert after.startswith('{"mounts":[{"destination":"/.lsf",')
    assert text[1 : text.index('[ "')] in after
    assert after.endswith(',"--","\\u0073h","\\ud800\\""],"cwd":"/bin"},"ociVersion":"1.0.2"}')


values = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats(allow_nan=False, allow_infinity=False)
    | strategies.text(max_size=6),
    lambda inner: strategies.lists(inner, max_size=3)
    | strategies.dictionaries(strategies.sampled_from(["type", "source", "destination", "options", "args", "env", "cwd", "path", "a"]), inner,
                              max_size=4),
    max_leaves=12,
)  # fmt: skip


@hypothesis.settings(
    max_examples=150, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(
    strategies.dictionaries(
        strategies.sampled_from(["mounts", "process", "annotations", "root", "linux", "b"]), values
    ),
    strategies.booleans(),
)
def test_any_configuration(command, bundle, part, escaped):
    """Whatever is in it, it is led, left alone or refused in one sentence."""
    wanted = config() | part
    text = json.dumps(wanted, ensure_ascii=escaped).encode("utf-8", "replace").decode()
    try:
        after = json.loads(create(command, bundle, text))
    except Refused as said:
        assert str(bundle) in str(said) or "annotation" in str(said)
        return
    changed = copy.deepcopy(json.loads(text))
    if after != changed:
        assert after["process"]["args"][0] in ("/dev/lsf", "/run/lsf", "/.lsf")
        assert after["process"]["args"][3:] == changed["process"]["args"]
        assert after["mounts"][-1]["options"] == ["bind", "ro", "nosuid", "nodev"]
        for both in (after, changed):
            both.pop("mounts", None)
            both["process"].pop("args")
    assert after == changed


@hypothesis.settings(
    max_examples=150, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(strategies.data())
def test_any_text(command, bundle, data):
    """A configuration with bytes taken out or put in."""
    text = json.dumps(config("sh", "\u00e9", "\n"))
    at = data.draw(strategies.integers(0, len(text)))
    cut = data.draw(strategies.integers(0, 5))
    more = data.draw(strategies.text(alphabet='{}[]",:\\u0e-+.1 ntf', max_size=4))
    broken = text[:at] + more + text[at + cut :]
    try:
        parsed = json.loads(broken)
    except ValueError:
        parsed = None
    try:
        after = create(command, bundle, broken)
    except Refused as said:
        assert parsed is None or "not JSON" not in str(said)
        return
    assert parsed is not None
    assert isinstance(json.loads(after), type(parsed))
