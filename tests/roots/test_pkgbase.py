"""Roots from packages of the base system: repositories on loopback, signed by the test, and those that are not to be trusted."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile

import archives
import harness
import packages
import pytest
from archives import Answer, Item, fails, hardlink, link, nothing_installed
from packages import Key, Repository

from lsf import roots
from lsf.roots import download, keys, package

KEY, OTHER, THIRD = Key(), Key(), Key("ecdsa")


@pytest.fixture(autouse=True)
def known_keys(monkeypatch):
    """FreeBSD's keys are ours."""
    monkeypatch.setattr(keys, "PKGBASE", {15: {"key": KEY.fingerprint}})
    monkeypatch.delenv("LSF_PKG_MIRROR", raising=False)


@pytest.fixture
def repository(web_server):
    """A repository with a small base system, not published yet."""
    made = Repository(web_server, [KEY])
    packages.base(made)
    return made


def install(run_root, repository: Repository, *more: object) -> tuple[int, str, str]:
    return run_root("install", "--repository", repository.url, *more)


# ---------------------------------------------------------------- what comes of it


@pytest.mark.parametrize("old", [False, True])
def test_install(root_store, web_server, run_root, repository, monkeypatch, old):
    repository.publish(old=old)
    monkeypatch.setenv("LSF_PKG_MIRROR", web_server.url)
    status, out, err = run_root("install", "15.0", "--pkgbase")
    assert (status, out) == (0, "15.0-pkgbase\n"), err
    root = root_store / "15.0-pkgbase/root"
    assert "fetching 4 packages" in err and "what packages do when they are installed (1 file)" in err
    assert (root / "bin/sh").exists() and (root / "lib/libc.so.7").exists() and not (root / "usr/lib/debug").exists()
    assert not list(root.glob("+*"))
    assert os.path.samefile(root / "rescue/sh", root / "rescue/rescue")
    found = roots.load("15.0-pkgbase")
    assert (found.release, found.osreldate, found.fields["kind"]) == ("15.0-RELEASE", 1500068, "pkgbase")
    assert (found.fields["repository"], found.fields["packages"]) == (repository.url, "FreeBSD-set-base")
    assert run_root("verify", "-q") == (0, "", "")
    record = (root_store / "15.0-pkgbase/root.mtree").read_text()
    assert "./var/spool/clientmqueue type=dir uid=25 gid=25 mode=0770" in record
    assert (
        "./usr/bin/su type=file uid=0 gid=0 mode=4555" in record
        and "./lib/libc.so.7 type=file uid=0 gid=0 mode=0444 flags=schg,uarch" in record
    )
    assert (root / "etc/passwd").read_text().splitlines() == [
        "root:*:0:0:Charlie &:/root:/bin/sh",
        "bin:*:3:7:Binaries:/:/usr/sbin/nologin",
    ]
    assert stat.S_IMODE((root / "etc/spwd.db").stat().st_mode) == 0o600 and (root / "etc/pwd.db").stat().st_size > 1000
    assert os.listdir(root_store) == ["15.0-pkgbase"]


def test_other_packages_and_other_keys(root_store, run_root, repository, tmp_path):
    repository.keys = [OTHER]
    repository.publish()
    fails(install(run_root, repository), "a key that is not trusted", OTHER.fingerprint)
    trust = OTHER.trust(tmp_path / "keys")
    assert (
        install(
            run_root,
            repository,
            "--keys",
            trust,
            "--packages",
            "FreeBSD-set-minimal,FreeBSD-runtime-dbg",
            "--name",
            "x",
        )[0]
        == 0
    )
    assert (root_store / "x/root/usr/lib/debug/x").exists()
    assert roots.load("x").fields["keys"] == str(trust)
    KEY.trust(trust, "old", "revoked")
    repository.keys = [OTHER, KEY]
    repository.publish()
    fails(install(run_root, repository, "--keys", trust), "has been revoked", KEY.fingerprint)


@pytest.mark.parametrize("signers", [[THIRD], [OTHER, THIRD], [THIRD, OTHER]], ids=["ecdsa", "second", "first"])
def test_of_several_signatures_one_counts(root_store, run_root, repository, signers, tmp_path):
    repository.keys = signers
    repository.publish()
    assert install(run_root, repository, "--keys", THIRD.trust(tmp_path / "keys"), "-q")[0] == 0


def test_the_newest_version_counts(root_store, run_root, repository):
    packages.base(repository, "15.0", "-p2")
    repository.publish()
    assert install(run_root, repository, "-q")[0] == 0
    assert roots.load("15.0-pkgbase").release == "15.0-RELEASE-p2"


def test_packages_are_fetched_once(root_store, web_server, run_root, repository):
    repository.publish()
    assert install(run_root, repository, "-q")[0] == 0
    web_server.log.clear()
    assert install(run_root, repository, "-q", "--name", "again")[0] == 0
    assert [request.path.rpartition("/")[2] for request in web_server.log] == ["meta.conf", "data.pkg"]


def test_a_package_that_is_cut_goes_on(root_store, web_server, run_root, repository):
    data = repository.add("FreeBSD-noise", "15.0", [Item("boot/noise", os.urandom(400_000))])
    repository.publish()
    web_server.files[f"{repository.path}/FreeBSD-noise-15.0.pkg"] = Answer(body=data, cut=len(data) // 3 + 1)
    assert install(run_root, repository, "-q", "--packages", "FreeBSD-set-base,FreeBSD-noise")[0] == 0
    asked = web_server.requests(f"{repository.path}/FreeBSD-noise-15.0.pkg")
    assert len(asked) >= 3 and all("range" in request.headers for request in asked[1:])


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda r: setattr(r, "keys", []), "is not signed"),
        (lambda r: setattr(r, "keys", [OTHER]), "a key that is not trusted"),
        (lambda r: setattr(r, "keys", [THIRD]), "a key that is not trusted"),
        (lambda r: setattr(r, "keys", [KEY] * 9), "more than 8 signatures"),
    ],
    ids=["none", "other", "ecdsa", "many"],
)
def test_signatures_that_do_not_count(root_store, run_root, repository, spoil, words):
    spoil(repository)
    repository.publish()
    fails(install(run_root, repository), f"{repository.url}/data.pkg is", words)
    nothing_installed(root_store)


def test_a_catalogue_that_was_changed(root_store, run_root, repository):
    repository.publish(spoil=lambda data: data.replace(b"FreeBSD-clibs-15.0", b"FreeBSD-clibs-15.1"))
    fails(install(run_root, repository), "data.pkg is refused: its signature is wrong")
    nothing_installed(root_store)


def signed(*items: Item) -> bytes:
    return packages.zstandard.compress(archives.tar(items))


DATA = json.dumps({"packages": []}).encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: b"", "damaged"),
        (lambda: b"\x28\xb5\x2f\xfdgarbage", "damaged"),
        (lambda: signed(Item("data", DATA)), "is not signed"),
        (lambda: signed(Item("other", DATA), Item("data.sig", KEY.sign(DATA)), Item("data.pub", KEY.public)), "data is not in it"),
        (lambda: signed(Item("data", DATA), Item("data.sig", KEY.sign(DATA))), "data has no key"),
        (lambda: signed(Item("data", DATA), Item("data.pub", KEY.public)), "data has no signature"),
        (lambda: signed(Item("data", DATA), Item("data.sig", b""), Item("data.pub", KEY.public)), "data.sig is no file"),
        (lambda: signed(Item("data", DATA), Item("data.sig", b"x" * (2 << 20)), Item("data.pub", KEY.public)), "data.sig is no file"),
        (lambda: signed(Item("data", DATA), Item("data.sig", KEY.sign(DATA)), Item("data.pub", KEY.public), Item("data", b"{}")), "twice"),
        (lambda: signed(Item("data", DATA), Item("data.sig", KEY.sign(DATA)[:-1]), Item("data.pub", KEY.public)), "signature is wrong"),
        (lambda: signed(Item("data", DATA), Item("data.sig", b"$PKGSIGN:eddsa$" + KEY.sign(DATA)), Item("data.pub", KEY.public)),
         "cannot check ('eddsa')"),
        (lambda: signed(Item("data", DATA), Item("data.sig", b"$PKGSIGN:rsa" + KEY.sign(DATA).replace(b"$", b"%")), Item("data.pub", KEY.public)),
         "signature is wrong"),
    ],
)  # fmt: skip
def test_archives_of_catalogues_that_are_none(root_store, web_server, run_root, repository, content, words):
    web_server.files[f"{repository.path}/data.pkg"] = content()
    fails(install(run_root, repository), "data.pkg", words)
    nothing_installed(root_store)


def test_a_key_whose_file_is_no_key(root_store, web_server, run_root, repository, monkeypatch):
    public = b"-----BEGIN nonsense"
    monkeypatch.setitem(keys.PKGBASE, 15, {"key": hashlib.sha256(public).hexdigest()})
    web_server.files[f"{repository.path}/data.pkg"] = signed(
        Item("data", DATA), Item("data.sig", b"x"), Item("data.pub", public)
    )
    fails(install(run_root, repository), "its signature is wrong")


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"abi": "FreeBSD:14:amd64"}, "is for 'FreeBSD:14:amd64', and not for FreeBSD:15:amd64"),
        ({"abi": "FreeBSD:15:aarch64"}, "aarch64"),
        ({"abi": None}, "is for"),
        ({"name": "../x"}, "not the name of a package"),
        ({"name": 7}, "not the name of a package"),
        ({"version": ""}, "has no version"),
        ({"path": "../../x.pkg"}, "lies at '../../x.pkg'"),
        ({"path": "x y"}, "lies at"),
        ({"pkgsize": -1}, "no possible size"),
        ({"pkgsize": 1 << 60}, "no possible size"),
        ({"pkgsize": True}, "no possible size"),
        ({"sum": "7$abc"}, "unknown kind"),
        ({"sum": "abc"}, "no checksum"),
        ({"sum": "2$" + "9" * 103}, "no checksum"),
        ({"sum": None}, "no checksum"),
        ({"deps": ["x"]}, "no list of what it needs"),
    ],
)
def test_entries_that_are_none(root_store, web_server, run_root, repository, about, words):
    repository.add("FreeBSD-bad", "15.0", **about)
    repository.publish()
    fails(install(run_root, repository), "data.pkg is damaged", words)
    assert not web_server.requests(f"{repository.path}/FreeBSD-clibs-15.0.pkg")
    nothing_installed(root_store)


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b'{"packages": {}}', b'{"packages": [7]}', b"[" * 50_000, b"\xff", b"{"]
)
def test_catalogues_that_are_none(root_store, web_server, run_root, repository, data):
    web_server.files[f"{repository.path}/data.pkg"] = packages.catalogue(data, "data", [KEY])
    fails(install(run_root, repository), "data.pkg is damaged")


def test_what_a_repository_lacks(root_store, web_server, run_root, repository):
    repository.publish()
    fails(install(run_root, repository, "--packages", "FreeBSD-none"), "has no package FreeBSD-none")
    repository.add("FreeBSD-more", "15.0", needs=["FreeBSD-gone"])
    repository.publish()
    fails(
        install(run_root, repository, "--packages", "FreeBSD-more"),
        "has no package FreeBSD-gone, which FreeBSD-more needs",
    )
    for name in ("data.pkg", "packagesite.pkg"):
        del web_server.files[f"{repository.path}/{name}"]
    fails(install(run_root, repository), "has no catalogue")
    web_server.files[f"{repository.path}/meta.conf"] = b"version = 3;\n"
    fails(install(run_root, repository), "of a kind that LSF does not know")
    web_server.files[f"{repository.path}/meta.conf"] = Answer(403)
    fails(install(run_root, repository), "meta.conf", "403")
    del web_server.files[f"{repository.path}/meta.conf"]
    fails(install(run_root, repository), "no package repository")
    nothing_installed(root_store)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data + b"x", lambda data: bytes((data[0] ^ 1,)) + data[1:], lambda data: b""],
    ids=["cut", "longer", "changed", "empty"],
)  # fmt: skip
def test_a_package_that_is_not_what_is_listed(root_store, web_server, run_root, repository, damage):
    repository.publish()
    path = f"{repository.path}/FreeBSD-clibs-15.0.pkg"
    web_server.files[path] = damage(web_server.files[path])
    fails(install(run_root, repository), "FreeBSD-clibs")
    assert not root_store.exists() or os.listdir(root_store) == []


HOSTILE = [
    ([Item("//etc/evil", b"x")], "absolute path"),
    ([Item("../evil", b"x")], "leads out"),
    ([Item("a/../../evil", b"x")], "leads out"),
    ([link("out", "OUTSIDE"), Item("out/evil", b"x")], "goes through 'out'"),
    ([hardlink("evil", "/../outside/secret")], "leads out"),
    ([hardlink("evil", "nothing")], "which it does not have"),
    ([Item("bin/sh", b"x")], "is in another package, too"),
    ([Item("big", bytes(80 << 20))], "times its size"),
    ([Item("x" * 300, b"")], "longer than a file's name"),
]


@pytest.mark.parametrize(("items", "words"), HOSTILE)
def test_hostile_packages(root_store, run_root, repository, tmp_path, items, words):
    """Signed, and what it says in the catalogue: it is not believed either."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    items = [
        Item(
            item.name,
            item.data.replace("OUTSIDE", str(outside)) if isinstance(item.data, str) else item.data,
            item.type,
        )
        for item in items
    ]
    data = raw("FreeBSD-xevil", items)
    repository.add("FreeBSD-xevil", "15.0", data=data)
    repository.publish()
    fails(
        install(run_root, repository, "--packages", "FreeBSD-set-base,FreeBSD-xevil"),
        "FreeBSD-xevil-15.0.pkg is ",
        words,
    )
    nothing_installed(root_store)
    assert os.listdir(outside) == ["secret"]


def raw(name: str, items: list[Item]) -> bytes:
    """A package whose names are as they are given, behind one slash."""
    about = json.dumps({"name": name}).encode()
    every = [Item("+MANIFEST", about), *(Item("/" + item.name, item.data, item.type, item.mode) for item in items)]
    return packages.zstandard.compress(archives.tar(every))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: b"nonsense", "is damaged"),
        (lambda: packages.zstandard.compress(archives.tar([Item("/bin/x", b"x")])), "does not begin with the manifest"),
        (lambda: packages.zstandard.compress(archives.tar([])), "has no manifest"),
        (lambda: packages.packed("FreeBSD-another", "15.0", []), "is not that of FreeBSD-odd"),
        (lambda: packages.packed("FreeBSD-odd", "15.0", [], manifest=b"name: yaml"), "is not JSON"),
        (lambda: packages.packed("FreeBSD-odd", "15.0", [Item("x", os.urandom(5000))])[:-200], "is damaged"),
    ],
)
def test_packages_that_are_none(root_store, run_root, repository, data, words):
    repository.add("FreeBSD-odd", "15.0", data=data())
    repository.publish()
    fails(install(run_root, repository, "--packages", "FreeBSD-set-base,FreeBSD-odd"), "FreeBSD-odd-15.0.pkg", words)
    nothing_installed(root_store)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["14.3", "--pkgbase"], "comes in packages from 15 on"),
        (["99", "--pkgbase"], "Name it in full"),
        (["99.0", "--pkgbase"], "LSF knows no keys for packages of FreeBSD 99"),
        (["x", "--pkgbase"], "not a release whose packages there are"),
        (["--repository", "ftp://x/"], "not an http or https address"),
        (["--repository", "http://127.0.0.1:9/mine"], "--keys DIR says whose packages to trust"),
        (["--pkgbase", "--keys", "/nonexistent"], "/nonexistent/trusted: no such folder"),
        (["--pkgbase", "--packages", "../x"], "is not the name of a package"),
        (["15.0", "--pkgbase", "--sha256", "0" * 64], "--sha256 is for base.txz"),
        (["15.0", "--pkgbase", "--mirror", "http://x/"], "--mirror is for base.txz"),
        (["15.0", "--packages", "x"], "are for --pkgbase"),
        (["15.0", "--repository", "http://127.0.0.1:9/FreeBSD:15:amd64/base_release_0"], "Connection refused"),
    ],
)
def test_bad_options(root_store, run_root, arguments, words):
    fails(run_root("install", *arguments), words)
    nothing_installed(root_store)


def test_folders_of_keys_that_are_none(root_store, run_root, tmp_path):
    (tmp_path / "trusted").mkdir()
    install = ("install", "15.0", "--pkgbase", "--keys", tmp_path)
    fails(run_root(*install), "has no fingerprint in it")
    for text in (
        "",
        'function: "md5"\nfingerprint: "00"\n',
        f'fingerprint: "{"0" * 64}"\n',
        'function: "sha256"\nfingerprint: "xyz"\n',
    ):
        (tmp_path / "trusted/key").write_text(text)
        fails(run_root(*install), "trusted/key: not the fingerprint of a key")


def test_freebsds_own_keys():
    """Those of share/keys/pkgbase-15 in FreeBSD's sources."""
    import importlib

    known = importlib.reload(keys).PKGBASE
    assert set(known) == {15} and set(known[15]) == {"awskms-15", "backup-signing-15"}
    assert all(len(bytes.fromhex(value)) == 32 for value in known[15].values())


def test_missing_packages_are_named(root_store, run_root, repository, monkeypatch):
    import sys

    repository.publish()
    monkeypatch.setitem(sys.modules, "cryptography", None)
    fails(install(run_root, repository), "Python package cryptography", f"pip install {download.PACKAGES}")


# ---------------------------------------------------------------- versions and checksums


@pytest.mark.parametrize(
    "row",
    [
        "15.0 < 15.0p1 < 15.0p2 < 15.0p10 < 15.1", "15.snap20251001 < 15.0", "15.0.a1 < 15.0.b2 < 15.0.r1 < 15.0", "10 = 10.0 = 10..0",
        "10alpha < 10 < 10a < 10b", "2pl1 < 2alpha3 < 2.9f7 < 3", "1.d2 = 1.dev2 = 1.Development2", "0.1beta2 = 0.1.b2", "1_1 < 1_2 < 2",
        "2 < 1,1 < 1_1,1", "10a1b2 = 10a1.b2", "2.* < 2pl1", "1.0.1 < 1.0p1",
    ],
)  # fmt: skip
def test_versions(row):
    """As the comment before get_component() in pkg_version.c says."""
    words = row.split()
    for first, sign, second in zip(words[::2], words[1::2], words[2::2], strict=False):
        expected = -1 if sign == "<" else 0
        assert (package.compare(first, second), package.compare(second, first)) == (expected, -expected), (
            first,
            second,
        )


def test_checksums():
    data = b"FreeBSD"
    for kind, algorithm in (("2", "blake2b"), ("5", "blake2s"), ("0", "sha256")):
        digest = hashlib.new(algorithm, data).digest()
        assert package.checksum(f"{kind}${package.base32(digest)}") == f"{algorithm}:{digest.hex()}"
    value = hashlib.sha256(data).hexdigest()
    assert package.checksum(value) == package.checksum(f"1${value}") == f"sha256:{value}"


def test_owners_of_the_base_system():
    """The table is that of a real root, where one is at hand."""
    root = harness.root_with("etc/master.passwd", "etc/group", "bin/sh", covers="owners of FreeBSD's base system")
    for name, table in (("etc/master.passwd", package.USERS), ("etc/group", package.GROUPS)):
        for line in (root / name).read_text().splitlines():
            fields = line.split(":")
            if len(fields) > 3 and not line.startswith("#") and fields[0] in table:
                assert table[fields[0]] == int(fields[2]), line


@pytest.mark.parametrize("key", [KEY, THIRD], ids=["rsa", "ecdsa"])
def test_pkgs_own_repository(root_store, web_server, run_root, tmp_path, monkeypatch, key):
    """A package and a catalogue that FreeBSD's pkg has made; and pkg takes the signatures that these tests make."""
    pkg = os.environ.get("LSF_TEST_PKG")
    if not pkg:
        harness.not_covered(
            "a repository made by FreeBSD's pkg", "LSF_TEST_PKG does not name that program, built for this machine"
        )
    monkeypatch.setitem(keys.PKGBASE, 15, {"key": key.fingerprint})
    stage, repo = tmp_path / "stage", tmp_path / "repo"
    (tmp_path / "base.tar").write_bytes(archives.tar(archives.base("15.0-RELEASE", 1500068)))
    stage.mkdir()
    with tarfile.open(tmp_path / "base.tar") as archive:
        archive.extractall(stage, filter="fully_trusted")
    files = [
        f"/{path.relative_to(stage)}" for path in sorted(stage.rglob("*")) if not path.is_dir() or path.is_symlink()
    ]
    (tmp_path / "plist").write_text("\n".join(files) + "\n")
    (tmp_path / "meta").mkdir()
    about = {
        "name": "FreeBSD-runtime",
        "version": "15.0p1",
        "origin": "base/FreeBSD-runtime",
        "abi": "FreeBSD:15:amd64",
        "prefix": "/",
    }
    about |= dict.fromkeys(("comment", "desc", "maintainer", "www"), "x")
    (tmp_path / "meta/+MANIFEST").write_text(json.dumps(about))
    (tmp_path / "db").mkdir()
    command = [pkg, "-o", "ABI=FreeBSD:15:amd64", "-o", "OSVERSION=1500068", "-o", f"PKG_DBDIR={tmp_path}/db"]
    subprocess.run(
        [*command, "create", "-m", tmp_path / "meta", "-r", stage, "-p", tmp_path / "plist", "-o", repo], check=True
    )
    subprocess.run([*command, "repo", repo], check=True)
    url = f"{web_server.url}/FreeBSD:15:amd64/mine"
    for path in repo.iterdir():
        name = {"data.pkg": "data", "packagesite.pkg": "packagesite.yaml"}.get(path.name)
        content = path.read_bytes()
        if name:
            unpacked = packages.zstandard.ZstdDecompressor().stream_reader(content).read()
            with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
                content = packages.catalogue(archive.extractfile(name).read(), name, [key])
        web_server.files[f"/FreeBSD:15:amd64/mine/{path.name}"] = content
    status, out, err = run_root("install", "--repository", url, "--packages", "FreeBSD-runtime", "--name", "real")
    assert (status, out) == (0, "real\n"), err
    assert (root_store / "real/root/lib/libc.so.7").read_bytes() == archives.elf(1500068)
    assert (root_store / "real/root/rescue/sh").samefile(root_store / "real/root/rescue/rescue")

    (tmp_path / "repos").mkdir()
    trust = key.trust(tmp_path / "keys")
    (tmp_path / "repos/mine.conf").write_text(
        f'mine: {{ url: "{url}", signature_type: "fingerprints", fingerprints: "{trust}", enabled: yes }}\n'
    )
    update = [*command, "-R", tmp_path / "repos", "update", "-f"]
    done = subprocess.run(update, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    OTHER.trust(trust)
    assert subprocess.run(update, capture_output=True, text=True, check=False).returncode != 0
