"""Container images as roots: layouts on disk, archives of them, and a registry on loopback."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import stat
import tarfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import archives
import pytest
from archives import Answer, Item, Request, fails, folder, hardlink, link, nothing_installed

from lsf import roots
from lsf.roots import RootError, download, oci, registry

pytest.importorskip("requests")

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class Image:
    """An image of one or more layers, each a list of items; blobs by digest."""

    def __init__(
        self,
        *layers,
        os: str = "freebsd",
        arch: str = "amd64",
        version: str = "",
        compress=gzip.compress,
        media_type: str = LAYER,
        algorithm: str = "sha256",
    ):
        self.blobs: dict[str, bytes] = {}
        self.algorithm = algorithm
        packed = [archives.tar(items) for items in layers]
        config = {"os": os, "architecture": arch, "rootfs": {"type": "layers", "diff_ids": [digest(p) for p in packed]}}
        if version:
            config["os.version"] = version
        self.platform = {"os": os, "architecture": arch, **({"os.version": version} if version else {})}
        self.manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob(json.dumps(config).encode(), OCI_CONFIG),
            "layers": [self.blob(compress(p), media_type) for p in packed],
        }

    def blob(self, data: bytes, media_type: str) -> dict[str, object]:
        name = digest(data, self.algorithm)
        self.blobs[name] = data
        return {"mediaType": media_type, "digest": name, "size": len(data)}

    def descriptor(self, platform: bool = True, tag: str = "") -> dict[str, object]:
        """A descriptor of the manifest as it is now."""
        found = self.blob(json.dumps(self.manifest).encode(), OCI_MANIFEST)
        if platform:
            found["platform"] = self.platform
        if tag:
            found["annotations"] = {oci.REF_NAME: tag}
        return found


def write_layout(place: Path, images: list[Image], descriptors: list[dict] | None = None) -> Path:
    if descriptors is None:
        descriptors = [image.descriptor() for image in images]
    (place / "blobs").mkdir(parents=True)
    for image in images:
        for name, data in image.blobs.items():
            algorithm, _, value = name.partition(":")
            (place / "blobs" / algorithm).mkdir(exist_ok=True)
            (place / "blobs" / algorithm / value).write_bytes(data)
    (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": descriptors}))
    return place


UPPER = [
    folder("etc"),
    Item("etc/.wh.master.passwd"),
    Item("etc/new", b"new"),
    folder("usr/lib"),
    Item("usr/lib/.wh..wh..opq"),
    Item("usr/lib/only", b"only"),
    Item(".wh.rescue"),
    Item("bin/sh", b"replaced", mode=0o755),
    Item(".wh..wh.plnk", b""),
    Item(".wh.nothing"),
]


def files_of(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


# ---------------------------------------------------------------- layouts


def test_an_image_of_two_layers(root_store, run_root, tmp_path):
    image = Image(archives.base(), UPPER)
    status, out, err = run_root("import", write_layout(tmp_path / "layout", [image]), "--name", "img")
    assert (status, out) == (0, "img\n"), err
    root = root_store / "img/root"
    assert (root / "bin/sh").read_bytes() == b"replaced"
    assert (root / "etc/new").read_bytes() == b"new" and not (root / "etc/master.passwd").exists()
    assert os.listdir(root / "usr/lib") == ["only"] and not (root / "rescue").exists()
    assert not [name for name in files_of(root) if ".wh." in name]
    assert stat.S_IMODE(os.stat(root / "var/empty").st_mode) == 0o555
    assert roots.load("img").release == "14.1-RELEASE"
    assert (root / "var/run/ld-elf.so.hints").exists()


def test_a_whiteout_hides_only_what_lies_below(root_store, run_root, tmp_path):
    """Marks that come after, or beside, files of their own layer leave those alone."""
    lower = archives.base(
        extra=[
            folder("d"),
            Item("d/old", b"old"),
            folder("d/sub"),
            Item("d/sub/old", b"old"),
            folder("e"),
            Item("e/old", b"old"),
            Item("f", b"old"),
            link("ln", "d"),
        ]
    )
    upper = [
        Item("d/new", b"new"),
        Item("d/sub/new", b"new"),
        Item("d/.wh..wh..opq"),
        folder("e"),
        Item("e/new", b"n"),
        Item(".wh.e"),
        Item("f", b"new"),
        Item(".wh.f"),
        Item(".wh.ln"),
        Item("none/.wh.x"),
        Item("none/.wh..wh..opq"),
    ]
    assert run_root("import", write_layout(tmp_path / "l", [Image(lower, upper)]))[0] == 0
    root = root_store / "l/root"
    assert files_of(root / "d") == {"new", "sub", "sub/new"}
    assert os.listdir(root / "e") == ["new"] and (root / "f").read_bytes() == b"new"
    assert not os.path.lexists(root / "ln")


def test_layers_replace_by_kind(root_store, run_root, tmp_path):
    lower = archives.base(
        extra=[folder("a"), Item("a/x", b"x"), Item("b", b"b"), link("c", "a"), Item("h", b"1"), hardlink("h2", "h")]
    )
    upper = [Item("a", b"file"), folder("b"), Item("b/y", b"y"), folder("c"), Item("c/z", b"z"), Item("h", b"22")]
    assert run_root("import", write_layout(tmp_path / "l", [Image(lower, upper)]))[0] == 0
    root = root_store / "l/root"
    assert (root / "a").read_bytes() == b"file" and (root / "b/y").exists() and (root / "c/z").exists()
    assert (root / "h").read_bytes() == b"22" and (root / "h2").read_bytes() == b"1", (
        "a hard link is not written through"
    )


@pytest.mark.parametrize(
    ("media_type", "compress"),
    [
        ("application/vnd.oci.image.layer.v1.tar", lambda data: data),
        ("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress),
        ("application/vnd.oci.image.layer.v1.tar+zstd", "zstd"),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", gzip.compress),
    ],
)
def test_kinds_of_layers(root_store, run_root, tmp_path, media_type, compress):
    if compress == "zstd":
        compress = pytest.importorskip("zstandard").compress
    image = Image(archives.base(), media_type=media_type, compress=compress, algorithm="sha512")
    assert run_root("import", write_layout(tmp_path / "x", [image]))[:2] == (0, "x\n")


def test_freebsds_own_archives_of_a_layout(root_store, run_root, tmp_path):
    """FreeBSD-14.2-RELEASE-amd64-container-image-static.txz: a layout in a tar archive, compressed."""
    layout = write_layout(tmp_path / "layout", [Image(archives.base("14.2-RELEASE", 1402000))])
    items = [
        Item(str(path.relative_to(layout)), path.read_bytes()) for path in sorted(layout.rglob("*")) if path.is_file()
    ]
    source = tmp_path / "FreeBSD-14.2-RELEASE-amd64-container-image-static.txz"
    source.write_bytes(archives.txz(items))
    name = source.name.removesuffix(".txz")
    assert run_root("import", source)[:2] == (0, f"{name}\n")
    assert roots.load(name).release == "14.2-RELEASE" and files_of(root_store / name).isdisjoint(
        {"beside", "root/oci-layout"}
    )


def test_the_platform_is_chosen(root_store, run_root, tmp_path):
    """Of an index for many machines, freebsd/amd64; of several such, the newest FreeBSD."""
    images = [
        Image([Item("x", b"")], os="linux", version="6.1"),
        Image(archives.base("14.1-RELEASE", 1401000), version="14.1"),
        Image(archives.base("14.10-RELEASE", 1410000), version="14.10"),
        Image([Item("x", b"")], arch="arm64", version="15.0"),
    ]
    assert run_root("import", write_layout(tmp_path / "a", images))[0] == 0
    assert roots.load("a").release == "14.10-RELEASE"
    # Without a platform in the index, the image's own configuration says it.
    plain = [image.descriptor(platform=False) for image in images]
    assert run_root("import", write_layout(tmp_path / "b", images, plain))[0] == 0
    assert roots.load("b").release == "14.10-RELEASE"
    fails(
        run_root("import", write_layout(tmp_path / "c", [images[0], images[3]])),
        "freebsd/arm64, linux/amd64",
        "not for freebsd/amd64",
    )
    fails(run_root("import", write_layout(tmp_path / "d", [], [])), "no known platform")


def test_an_index_in_an_index_and_tags(root_store, run_root, tmp_path):
    one, two = Image(archives.base("14.1-RELEASE")), Image(archives.base("13.5-RELEASE", 1305000))
    inner = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [one.descriptor()]}).encode()
    nested = one.blob(inner, OCI_INDEX)
    nested["annotations"] = {oci.REF_NAME: "latest"}
    layout = write_layout(tmp_path / "l", [one, two], [nested, two.descriptor(tag="old")])
    fails(run_root("import", layout), "--tag latest or --tag old")
    fails(run_root("import", layout, "--tag", "nosuch"), "no image has the tag nosuch", "latest, old")
    assert run_root("import", layout, "--tag", "latest", "--name", "a")[0] == 0
    assert run_root("import", layout, "--tag", "old", "--name", "b")[0] == 0
    assert [roots.load(name).release for name in "ab"] == ["14.1-RELEASE", "13.5-RELEASE"]
    deep = inner
    for _ in range(5):
        deep = json.dumps({"manifests": [one.blob(deep, OCI_INDEX)]}).encode()
    fails(run_root("import", write_layout(tmp_path / "deep", [one], [one.blob(deep, OCI_INDEX)])), "too deeply")


def corrupt(layout: Path, name: str, data: bytes | None = None) -> None:
    path = layout / "blobs" / name.replace(":", "/")
    old = path.read_bytes()
    path.write_bytes(data if data is not None else old[:-1] + bytes([old[-1] ^ 1]))


def test_damaged_layouts(root_store, run_root, tmp_path):
    def layout(name: str, change=None) -> tuple[Path, Image]:
        image = Image(archives.base(), UPPER)
        if change:
            change(image)
        return write_layout(tmp_path / name, [image]), image

    place, image = layout("manifest")
    corrupt(place, image.descriptor()["digest"])
    fails(run_root("import", place), "does not have this digest")
    place, image = layout("config")
    corrupt(place, image.manifest["config"]["digest"])
    fails(run_root("import", place), "does not have this digest")
    place, image = layout("layer")
    corrupt(place, image.manifest["layers"][1]["digest"])
    fails(run_root("import", place), "does not have this digest")
    place, image = layout("short")
    corrupt(place, image.manifest["layers"][0]["digest"], b"x")
    fails(run_root("import", place), "has 1 bytes, not")
    place, image = layout("gone")
    (place / "blobs" / image.manifest["layers"][0]["digest"].replace(":", "/")).unlink()
    fails(run_root("import", place), "lacks blob", "No such file")

    def swapped(image: Image) -> None:
        image.manifest["layers"].reverse()

    fails(run_root("import", layout("swapped", swapped)[0]), "layer 1 of 2 is damaged", "sha256 digest")

    def fewer(image: Image) -> None:
        del image.manifest["layers"][1]

    fails(run_root("import", layout("fewer", fewer)[0]), "1 layers, and not a digest for each")

    def foreign(image: Image) -> None:
        image.manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"

    fails(run_root("import", layout("foreign", foreign)[0]), "of a kind that LSF does not know")

    for number, bad in enumerate(
        (
            {"digest": "sha256:../../../etc/passwd"},
            {"digest": "md5:" + "0" * 32},
            {"size": -1},
            {"size": "7"},
            {"size": 1 << 40},
        )
    ):

        def change(image: Image, bad=bad) -> None:
            image.manifest["layers"][0].update(bad)

        fails(
            run_root("import", layout(f"bad{number}", change)[0]),
            "digest" if "digest" in bad else "bytes" if bad["size"] == 1 << 40 else "size",
        )
    for number, text in enumerate(
        (b"", b"{", b"[]", b"{}", b'{"manifests": 5}', b'{"manifests": [1]}', b"[" * 100_000, b"\xff")
    ):
        place, _ = layout(f"index{number}")
        (place / "index.json").write_bytes(text)
        fails(run_root("import", place), "damaged")
    nothing_installed(root_store)


@pytest.mark.parametrize(
    ("upper", "words"),
    [
        ([Item("../.wh.x")], "leads out with .."),
        ([Item("a/.wh...")], "hides no possible name"),
        ([Item(".wh..")], "hides no possible name"),
        ([Item(".wh.")], "hides no possible name"),
        ([Item("/etc/.wh.passwd")], "absolute path"),
        ([Item("etc/out/.wh.secret")], "goes through 'etc/out'"),
        ([Item("etc/out/.wh..wh..opq")], "goes through 'etc/out'"),
        ([Item("etc/out/evil", b"x")], "goes through 'etc/out'"),
    ],
)
def test_hostile_layers(root_store, run_root, tmp_path, upper, words):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    lower = archives.base(extra=[link("etc/out", str(outside))])
    fails(run_root("import", write_layout(tmp_path / "l", [Image(lower, upper)])), "layer 2 of 2 is refused", words)
    nothing_installed(root_store)
    assert os.listdir(outside) == ["secret"]


def test_a_layer_that_is_a_bomb(root_store, run_root, tmp_path):
    image = Image(archives.base(extra=[Item("zeros", bytes(70 << 20))]))
    fails(run_root("import", write_layout(tmp_path / "l", [image])), "times its size")
    fails(run_root("import", write_layout(tmp_path / "m", [image]), "--max-size", "10M"), "more than 10485760 bytes")
    nothing_installed(root_store)


def test_dockers_own_form_is_named(root_store, run_root, tmp_path):
    (tmp_path / "d.tar").write_bytes(archives.tar([Item("manifest.json", b"[]"), Item("abc/layer.tar", b"")]))
    fails(run_root("import", tmp_path / "d.tar"), "docker's own form", "oci-archive")


# ---------------------------------------------------------------- a registry


class Registry:
    """A registry on loopback. `tokens`: it wants a token for each request; `logins`: and a login for the token."""

    def __init__(self, served: archives.Server, repository: str, tokens: bool = False, logins: str = "") -> None:
        self.server, self.repository, self.tokens, self.logins = served, repository, tokens, logins
        self.issued = 0
        self.valid: set[str] = set()
        served.files["/token"] = self.token

    def guarded(self, answer: Answer):
        def answering(request: Request) -> Answer:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if self.tokens and not (scheme == "Bearer" and token in self.valid):
                challenge = (
                    f'Bearer realm="{self.server.url}/token",service="loop, back",'
                    f'scope="repository:{self.repository}:pull"'
                )
                return Answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', {"WWW-Authenticate": challenge})
            return answer

        return answering

    def token(self, request: Request) -> Answer:
        query = parse_qs(urlsplit(request.path).query)
        assert query == {"service": ["loop, back"], "scope": [f"repository:{self.repository}:pull"]}
        if self.logins:
            wanted = "Basic " + base64.b64encode(self.logins.encode()).decode()
            if request.headers.get("authorization") != wanted:
                return Answer(401, b"{}")
        self.issued += 1
        token = f"token-{self.issued}"
        self.valid.add(token)
        return Answer(body=json.dumps({"token" if self.issued % 2 else "access_token": token}).encode())

    def serve(self, path: str, answer: Answer) -> None:
        self.server.files[f"/v2/{self.repository}/{path}"] = self.guarded(answer)

    def push(self, tag: str, images: list[Image], single: bool = False) -> None:
        descriptors = [image.descriptor() for image in images]
        for image in images:
            for name, data in image.blobs.items():
                self.serve(f"blobs/{name}", Answer(body=data))
        for image, found in zip(images, descriptors, strict=True):
            self.serve(f"manifests/{found['digest']}", Answer(body=image.blobs[found["digest"]]))
        body = (
            images[0].blobs[descriptors[0]["digest"]]
            if single
            else json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}).encode()
        )
        headers = {"Docker-Content-Digest": digest(body), "Content-Type": OCI_MANIFEST if single else OCI_INDEX}
        self.serve(f"manifests/{tag}", Answer(body=body, headers=headers))
        self.serve(f"manifests/{digest(body)}", Answer(body=body))
        self.digest = digest(body)


def test_pull_with_tokens(root_store, web_server, run_root):
    hub = Registry(web_server, "freebsd/freebsd-runtime", tokens=True)
    hub.push("14.2", [Image([Item("x", b"")], os="linux"), Image(archives.base("14.2-RELEASE", 1402000), UPPER)])
    status, out, err = run_root("pull", f"{web_server.host}/freebsd/freebsd-runtime:14.2")
    assert (status, out) == (0, "freebsd-runtime-14.2\n"), err
    found = roots.load("freebsd-runtime-14.2")
    assert (
        found.release == "14.2-RELEASE" and found.fields["source"] == f"{web_server.host}/freebsd/freebsd-runtime:14.2"
    )
    assert hub.issued == 1, "one token serves for all"
    assert OCI_INDEX in web_server.log[0].headers["accept"] and OCI_MANIFEST in web_server.log[0].headers["accept"]
    assert os.listdir(root_store) == ["freebsd-runtime-14.2"], "no blob is left"
    fails(run_root("pull", f"{web_server.host}/freebsd/freebsd-runtime:14.2"), "called freebsd-runtime-14.2 already")


def test_pull_without_tokens_one_manifest_by_digest_and_default_host(root_store, web_server, run_root, monkeypatch):
    hub = Registry(web_server, "base")
    hub.push("latest", [Image(archives.base())], single=True)
    assert run_root("pull", f"http://{web_server.host}/base")[:2] == (0, "base-latest\n")
    monkeypatch.setenv("LSF_REGISTRY", web_server.url)
    assert run_root("pull", f"base@{hub.digest}", "-q") == (0, f"base-{hub.digest[7:19]}\n", "")
    assert run_root("pull", "base", "--name", "third")[:2] == (0, "third\n")


def test_pull_with_a_login(root_store, web_server, run_root, tmp_path, monkeypatch):
    hub = Registry(web_server, "private/base", tokens=True, logins="me:se:cret")
    hub.push("latest", [Image(archives.base())])
    fails(run_root("pull", f"{web_server.host}/private/base"), "gives no token", "--auth-file")
    logins = tmp_path / "auth.json"
    logins.write_text(json.dumps({"auths": {web_server.host: {"auth": base64.b64encode(b"me:wrong").decode()}}}))
    fails(run_root("pull", f"{web_server.host}/private/base", "--auth-file", logins), "gives no token for this login")
    logins.write_text(json.dumps({"auths": {web_server.host: {"auth": base64.b64encode(b"me:se:cret").decode()}}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(logins))
    assert run_root("pull", f"{web_server.host}/private/base")[0] == 0
    for bad in ("", "[]", '{"auths": []}', json.dumps({"auths": {web_server.host: {"auth": "***"}}})):
        logins.write_text(bad)
        fails(run_root("pull", f"{web_server.host}/private/base", "--name", "x"), "not a file of registry logins")
    fails(run_root("pull", f"{web_server.host}/private/base", "--name", "x", "--auth-file", "/nosuch"), "No such file")


def test_a_login_by_basic(root_store, web_server, run_root, tmp_path):
    hub = Registry(web_server, "b")
    hub.push("latest", [Image(archives.base())])
    login = base64.b64encode(b"u:p").decode()
    for path, answering in list(web_server.files.items()):
        if path.startswith("/v2/"):
            web_server.files[path] = lambda request, answering=answering: (
                answering(request)
                if request.headers.get("authorization") == f"Basic {login}"
                else Answer(401, b"", {"WWW-Authenticate": 'Basic realm="here"'})
            )
    fails(run_root("pull", f"{web_server.host}/b"), "refuses it", "--auth-file")
    (tmp_path / "a.json").write_text(json.dumps({"auths": {web_server.host: {"auth": login}}}))
    assert run_root("pull", f"{web_server.host}/b", "--auth-file", tmp_path / "a.json")[0] == 0


def test_a_token_that_ends_during_the_pull(root_store, web_server, run_root):
    hub = Registry(web_server, "base", tokens=True)
    image = Image(archives.base())
    hub.push("latest", [image])
    path = f"/v2/base/blobs/{image.manifest['layers'][0]['digest']}"
    inner = web_server.files[path]

    def once(request: Request) -> Answer:
        hub.valid.clear()
        web_server.files[path] = inner
        return inner(request)

    web_server.files[path] = once
    assert run_root("pull", f"{web_server.host}/base")[0] == 0
    assert hub.issued == 2


def test_a_pull_that_is_cut_is_continued(root_store, web_server, run_root):
    noise = os.urandom(300_000)
    image = Image(archives.base(extra=[Item("noise", noise)]))
    hub = Registry(web_server, "base", tokens=True)
    hub.push("latest", [image])
    layer = image.manifest["layers"][0]["digest"]
    path = f"/v2/base/blobs/{layer}"
    good = web_server.files[path]
    web_server.files[path] = lambda request: Answer(
        body=image.blobs[layer], cut=0 if "range" in request.headers else 150_000
    )
    fails(run_root("pull", f"{web_server.host}/base"), "layer 1 of 1", "bytes are kept")
    nothing_installed(root_store, downloads=True)
    web_server.files[path] = good
    web_server.log.clear()
    assert run_root("pull", f"{web_server.host}/base")[0] == 0
    start = int(web_server.requests(path)[-1].headers["range"].removeprefix("bytes=").rstrip("-"))
    assert 150_000 - download.CHUNK < start <= 150_000
    assert (root_store / "base-latest/root/noise").read_bytes() == noise and os.listdir(root_store) == ["base-latest"]


def test_what_a_registry_may_do_wrong(root_store, web_server, run_root):
    def fresh() -> tuple[Registry, Image]:
        web_server.files.clear()
        hub, image = Registry(web_server, "base"), Image(archives.base())
        hub.push("latest", [image])
        return hub, image

    name = f"{web_server.host}/base"
    hub, image = fresh()
    layer = image.manifest["layers"][0]["digest"]
    hub.serve(f"blobs/{layer}", Answer(body=image.blobs[layer][:-1] + b"x"))
    fails(run_root("pull", name), "not what was announced")
    hub.serve(f"blobs/{layer}", Answer(body=image.blobs[layer] + b"x"))
    fails(run_root("pull", name), "not what was announced")
    hub.serve(f"blobs/{layer}", Answer(404))
    fails(run_root("pull", name), "404")
    hub, image = fresh()
    hub.serve(f"blobs/{image.manifest['config']['digest']}", Answer(body=b"{}"))
    fails(run_root("pull", name), "does not have this digest")
    hub, image = fresh()
    hub.serve(f"manifests/{image.descriptor()['digest']}", Answer(body=b"{}"))
    fails(run_root("pull", name), "does not have this digest")
    hub.serve("manifests/latest", Answer(body=b"{}", headers={"Docker-Content-Digest": "sha256:" + "0" * 64}))
    fails(run_root("pull", name), "does not have this digest")
    for answer, words in (
        (Answer(404), "no such image"),
        (Answer(403), "refuses it"),
        (Answer(418), "418"),
        (Answer(500), "500"),
        (Answer(401), "refuses it"),
        (Answer(body=b"<html>"), "not JSON"),
        (Answer(body=bytes(5 << 20)), "more than"),
    ):
        hub.serve("manifests/latest", answer)
        fails(run_root("pull", name), words)
    for challenge, words in (
        ("Bearer", "not safe"),
        ('Bearer realm="file:///etc/passwd"', "not safe"),
        ("Negotiate", "refuses it"),
        (f'Bearer realm="{web_server.url}/nosuch"', "answers 404"),
        (f'Bearer realm="{web_server.url}/empty"', "without a token"),
    ):
        web_server.files["/empty"] = b'{"token": "a\\nb"}'
        hub.serve("manifests/latest", Answer(401, b"", {"WWW-Authenticate": challenge}))
        fails(run_root("pull", name), words)
    hub.push("latest", [Image([Item("x", b"")], os="linux")])
    fails(run_root("pull", name), "linux/amd64", "not for freebsd/amd64")
    assert not roots.installed()


def test_the_token_stays_with_its_registry(root_store, web_server, run_root):
    """A blob that is elsewhere is fetched there without the registry's token."""
    elsewhere = archives.Server()
    try:
        image = Image(archives.base())
        hub = Registry(web_server, "base", tokens=True)
        hub.push("latest", [image])
        layer = image.manifest["layers"][0]["digest"]
        port = elsewhere.url.rpartition(":")[2]
        elsewhere.files["/blob"] = image.blobs[layer]
        hub.serve(f"blobs/{layer}", Answer(307, b"", {"Location": f"http://localhost:{port}/blob"}))
        assert run_root("pull", f"{web_server.host}/base")[0] == 0
        assert elsewhere.log and all("authorization" not in request.headers for request in elsewhere.log)
        assert any("authorization" in request.headers for request in web_server.log)
    finally:
        elsewhere.close()


@pytest.mark.parametrize(
    ("text", "default", "base", "shown"),
    [
        ("example.org/a/b:1", "", "https://example.org/v2/a/b", "example.org/a/b:1"),
        ("localhost:5000/a", "", "http://localhost:5000/v2/a", "localhost:5000/a:latest"),
        ("127.0.0.1:5000/a:x", "", "http://127.0.0.1:5000/v2/a", "127.0.0.1:5000/a:x"),
        ("https://localhost/a", "", "https://localhost/v2/a", "localhost/a:latest"),
        ("[::1]:5000/a", "", "http://[::1]:5000/v2/a", "[::1]:5000/a:latest"),
        (
            "freebsd/runtime:14",
            "example.org",
            "https://example.org/v2/freebsd/runtime",
            "example.org/freebsd/runtime:14",
        ),
        ("runtime", "http://example.org:80", "http://example.org:80/v2/runtime", "example.org:80/runtime:latest"),
        (f"h.x/a@sha256:{'0' * 64}", "", "https://h.x/v2/a", f"h.x/a@sha256:{'0' * 64}"),
        (f"h.x/a:1@sha256:{'0' * 64}", "", "https://h.x/v2/a", f"h.x/a@sha256:{'0' * 64}"),
    ],
)
def test_references(text, default, base, shown):
    reference = registry.Reference(text, default)
    assert (reference.base, str(reference)) == (base, shown)


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a/b",
        "a:1",
        "h.x/",
        "h.x/A",
        "h.x/a:",
        "h.x/a:-x",
        "h.x/a@sha256:12",
        "h.x/a@",
        "h.x/../a",
        "h.x//a",
        "ftp://h.x/a",
        "h.x/a b",
        "h.x/a?x=1",
        "user@h.x/a",
        "h.x:999999/a",
        "https:///a",
        "",
    ],
)
def test_bad_references(text):
    with pytest.raises(RootError, match="names no registry|not the name of an image"):
        registry.Reference(text)


def test_the_fallback_for_old_tars(root_store, run_root, tmp_path):
    """Layers in GNU's and in the oldest form of tar."""
    for number, form in enumerate((tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)):
        items = [item for item in archives.base() if "\u00e9" not in item.name and "long" not in item.name]
        (tmp_path / f"t{number}.tar").write_bytes(archives.tar(items, form))
        assert run_root("import", tmp_path / f"t{number}.tar")[0] == 0
