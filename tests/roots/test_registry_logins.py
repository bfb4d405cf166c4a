"""A registry's login and token: for the registry and the token server that it names, and for nobody that it leads to."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import archives
import harness
import pytest
from archives import Answer, fails, nothing_installed
from test_oci import Image, Registry, digest

from lsf import roots

pytest.importorskip("requests")

LOGIN = base64.b64encode(b"me:secret").decode()


@pytest.fixture
def thief():
    """A server that asks everybody for a login, and says what it got."""
    served = archives.Server()
    served.files["/token"] = b'{"token": "thiefs"}'
    yield served
    served.close()


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A certificate for this machine, which the client trusts."""
    if not shutil.which("openssl"):
        harness.missing_tool("https", "there is no openssl to make a certificate with")
    path = tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path, "-out", tmp_path / "crt",
                    "-days", "2", "-subj", "/CN=loopback", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
                   check=True, capture_output=True)  # fmt: skip
    path.write_bytes(path.read_bytes() + (tmp_path / "crt").read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "crt"))
    return path


def logins(folder: Path, *hosts: str) -> Path:
    path = folder / "auth.json"
    path.write_text(json.dumps({"auths": {host: {"auth": LOGIN} for host in hosts}}))
    return path


def challenge(server: archives.Server, scheme: str) -> dict[str, str]:
    return {"WWW-Authenticate": f'{scheme} realm="{server.url}/token",service="s"'}


def sent(server: archives.Server) -> list[str]:
    return [request.headers["authorization"] for request in server.log if "authorization" in request.headers]


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
@pytest.mark.parametrize("what", ["layer", "configuration", "manifest", "index"])
@pytest.mark.parametrize("tokens", [False, True])
def test_who_is_led_to_gets_nothing(root_store, web_server, run_root, tmp_path, thief, scheme, what, tokens):
    """Whatever the registry redirects to asks for a login with a realm of its own."""
    image = Image(archives.base())
    hub = Registry(web_server, "base", tokens=tokens, logins="me:secret" if tokens else "")
    hub.push("latest", [image])
    path = {"layer": f"blobs/{image.manifest['layers'][0]['digest']}", "configuration": f"blobs/{image.manifest['config']['digest']}",
            "manifest": f"manifests/{image.descriptor()['digest']}", "index": "manifests/latest"}[what]  # fmt: skip
    thief.files["/it"] = Answer(401, b"", challenge(thief, scheme))
    hub.serve(path, Answer(307, b"", {"Location": f"{thief.url}/it"}))
    fails(run_root("pull", f"{web_server.host}/base", "--auth-file", logins(tmp_path, web_server.host)))
    assert thief.requests("/it")
    assert sent(thief) == []
    assert thief.requests("/token") == []
    nothing_installed(root_store)


def test_not_even_when_it_leads_back(root_store, web_server, run_root, tmp_path, thief):
    """Who was led elsewhere has no login any more, so that nobody else chooses what it is used for."""
    image = Image(archives.base())
    hub = Registry(web_server, "base", tokens=True, logins="me:secret")
    hub.push("latest", [image])
    layer = image.manifest["layers"][0]["digest"]
    thief.files["/it"] = Answer(302, b"", {"Location": f"{web_server.url}/private"})
    web_server.files["/private"] = Answer(401, b"", challenge(web_server, "Bearer"))
    hub.serve(f"blobs/{layer}", Answer(302, b"", {"Location": f"{thief.url}/it"}))
    fails(run_root("pull", f"{web_server.host}/base", "--auth-file", logins(tmp_path, web_server.host)), "401")
    assert web_server.requests("/private")
    assert not any("authorization" in request.headers for request in web_server.requests("/private"))
    assert sent(thief) == []


def test_a_token_server_that_leads_on(root_store, web_server, run_root, tmp_path, thief):
    hub = Registry(web_server, "base", tokens=True, logins="me:secret")
    hub.push("latest", [Image(archives.base())])
    web_server.files["/token"] = Answer(302, b"", {"Location": f"{thief.url}/token"})
    fails(run_root("pull", f"{web_server.host}/base", "--auth-file", logins(tmp_path, web_server.host)))
    assert thief.requests("/token")
    assert sent(thief) == []


def test_a_token_server_of_another_name_gets_the_login(root_store, web_server, run_root, tmp_path):
    """The one that the registry itself names: that is how they are made."""
    server = archives.Server()
    try:
        hub = Registry(web_server, "base", tokens=True, logins="me:secret")
        server.files["/token"] = web_server.files.pop("/token")
        serving = hub.guarded

        def guarded(answer):
            inner = serving(answer)

            def answering(request):
                found = inner(request)
                header = found.headers.get("WWW-Authenticate")
                if header:
                    found.headers["WWW-Authenticate"] = header.replace(web_server.url, server.url)
                return found

            return answering

        hub.guarded = guarded
        hub.push("latest", [Image(archives.base())])
        assert run_root("pull", f"{web_server.host}/base", "--auth-file", logins(tmp_path, web_server.host))[0] == 0
        assert sent(server) == [f"Basic {LOGIN}"]
        assert not any(text.startswith("Basic") for text in sent(web_server))
    finally:
        server.close()


def test_a_login_is_for_its_host(root_store, web_server, run_root, tmp_path):
    hub = Registry(web_server, "base", tokens=True, logins="me:secret")
    hub.push("latest", [Image(archives.base())])
    port = web_server.host.rpartition(":")[2]
    for host in ("127.0.0.1", f"localhost:{port}", f"127.0.0.1:{port}.evil", f"http://{web_server.host}", ""):
        fails(run_root("pull", f"{web_server.host}/base", "--auth-file", logins(tmp_path, host)), "it needs a login")
    assert sent(web_server) == []


# ---------------------------------------------------------------- https


@pytest.mark.parametrize("what", ["blob", "token"])
def test_https_does_not_lead_to_http(root_store, run_root, tmp_path, thief, certificate, what):
    secure = archives.Server(certificate)
    try:
        image = Image(archives.base())
        hub = Registry(secure, "base", tokens=True, logins="me:secret")
        hub.push("latest", [image])
        layer = image.manifest["layers"][0]["digest"]
        name, file = f"https://{secure.host}/base", logins(tmp_path, secure.host)
        thief.files["/blob"] = image.blobs[layer]
        if what == "blob":
            hub.serve(f"blobs/{layer}", Answer(307, b"", {"Location": f"{thief.url}/blob"}))
        else:
            secure.files["/token"] = Answer(302, b"", {"Location": f"{thief.url}/token"})
        fails(run_root("pull", name, "--auth-file", file), "from https to http, which is not safe")
        assert thief.log == []
        nothing_installed(root_store)
    finally:
        secure.close()


def test_a_mirror_by_https_does_not_lead_to_http(root_store, run_root, thief, certificate):
    secure = archives.Server(certificate)
    try:
        for name in ("MANIFEST", "base.txz"):
            secure.files[f"/14.1-RELEASE/{name}"] = Answer(302, b"", {"Location": f"{thief.url}/{name}"})
        fails(run_root("install", "14.1", "--mirror", secure.url), "from https to http")
        fails(run_root("install", "14.1", "--mirror", secure.url, "--sha256", "0" * 64), "from https to http")
        assert thief.log == []
    finally:
        secure.close()


def test_https_to_https_is_followed(root_store, run_root, certificate):
    secure, other = archives.Server(certificate), archives.Server(certificate)
    try:
        image = Image(archives.base())
        hub = Registry(secure, "base", tokens=True)
        hub.push("latest", [image])
        layer = image.manifest["layers"][0]["digest"]
        other.files["/blob"] = image.blobs[layer]
        hub.serve(f"blobs/{layer}", Answer(307, b"", {"Location": f"{other.url}/blob"}))
        assert run_root("pull", f"https://{secure.host}/base")[0] == 0
        assert sent(other) == []
    finally:
        secure.close()
        other.close()


@pytest.mark.parametrize(
    "realm", ["https://[", "http://[::1", "//", "https://", "\\", "http://127.0.0.1:99999/", "x" * 5000]
)
def test_realms_that_are_none(root_store, web_server, run_root, tmp_path, realm):
    hub = Registry(web_server, "base")
    hub.serve("manifests/latest", Answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{realm}"'}))
    fails(run_root("pull", f"{web_server.host}/base", "--auth-file", logins(tmp_path, web_server.host)))
    nothing_installed(root_store)


# ---------------------------------------------------------------- damaged documents


def test_documents_that_are_cut_or_twisted(root_store, web_server, run_root):
    """Whatever a registry answers is one sentence and leaves nothing."""
    chosen = random.Random(7)
    values = (None, [], {}, "", 0, -1, 1.5, True, 10**30, "x" * 300, [[]], [None], {"a": None}, "sha256:" + "0" * 64)

    def twisted(document):
        """With one value of it exchanged or gone."""
        if isinstance(document, dict) and document and chosen.random() < 0.7:
            key = chosen.choice(list(document))
            return {
                k: (twisted(v) if k == key else v) for k, v in document.items() if k != key or chosen.random() < 0.8
            }
        if isinstance(document, list) and document and chosen.random() < 0.7:
            at = chosen.randrange(len(document))
            return [twisted(item) if index == at else item for index, item in enumerate(document)]
        return chosen.choice(values)

    image = Image(archives.base())
    hub = Registry(web_server, "base")
    hub.push("latest", [image])
    manifest = json.loads(image.blobs[image.descriptor()["digest"]])
    index = {"schemaVersion": 2, "manifests": [image.descriptor()]}
    name = f"{web_server.host}/base"
    for turn in range(150):
        body = json.dumps(twisted(twisted(index if turn % 2 else manifest))).encode()
        if turn % 5 == 0:
            body = json.dumps(index if turn % 2 else manifest).encode()
            body = body[: chosen.randrange(len(body))]
        hub.serve("manifests/latest", Answer(body=body))
        result = run_root("pull", name, "--name", f"x{turn}")
        if result[0] == 0:
            shutil.rmtree(root_store / f"x{turn}")
        else:
            fails(result)
            assert "Traceback" not in result[2]
        assert os.listdir(root_store) == []
    for body in (
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"manifests": ' + b"9" * 5000 + b"}",
        b"\xff\xfe",
        b"",
        b"null",
        b"{}" * 2,
    ):
        hub.serve("manifests/latest", Answer(body=body))
        fails(run_root("pull", name))
    assert not roots.installed()
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    nothing_installed(root_store, downloads=True)


def test_files_of_logins_that_are_none(root_store, web_server, run_root, tmp_path):
    path = tmp_path / "auth.json"
    host = json.dumps(web_server.host)
    entries = ["[]"] + [f'{{"auth": {value}}}' for value in ("7", '"é"', "null", "[1]")]
    for text in ("[" * 100_000, '{"auths": 7}', "\x00", *(f'{{"auths": {{{host}: {entry}}}}}' for entry in entries)):
        path.write_text(text)
        fails(run_root("pull", f"{web_server.host}/base", "--auth-file", path), "not a file of registry logins")
    fails(run_root("pull", f"{web_server.host}/base", "--auth-file", tmp_path), "Is a directory")
