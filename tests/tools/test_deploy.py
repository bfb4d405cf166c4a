"""What is in deploy/: manifests by Kubernetes's own schemas, the engines' snippets, and the program that makes a node fit."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import harness
import pytest
import yaml

TOP = harness.TESTS.parent
DEPLOY = TOP / "deploy"
MANIFESTS = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "arc-runners.yaml")
VERSIONS = ("1.28", "1.33")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
@pytest.mark.parametrize("version", VERSIONS)
def test_manifests(path, version):
    try:
        import kubernetes_validate
    except ImportError:
        harness.missing_tool("Kubernetes's schemas", "kubernetes-validate is not installed")
    documents = list(yaml.safe_load_all(path.read_text()))
    assert documents
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


def test_the_schemas_refuse_what_is_wrong():
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    (document,) = yaml.safe_load_all((DEPLOY / "kubernetes/runtimeclass.yaml").read_text())
    document["scheduling"]["nodeSelectors"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, VERSIONS[0], strict=True)


def manifest(name: str, kind: str):
    return next(one for one in yaml.safe_load_all((DEPLOY / "kubernetes" / name).read_text()) if one["kind"] == kind)


def test_they_fit_together():
    """The class, the label that the installer sets, the handler that the engines are told of, the pods that name the class."""
    runtime = manifest("runtimeclass.yaml", "RuntimeClass")
    node = load_node()
    assert runtime["scheduling"]["nodeSelector"][node.LABEL] == "true"
    for name in ("containerd.toml", "containerd-2.toml", "crio.conf"):
        assert f"runtimes.{runtime['handler']}]" in (DEPLOY / name).read_text()
        assert f"/{node.PLACE}/bin/lsf-oci" in (DEPLOY / name).read_text()
    pod = manifest("installer.yaml", "DaemonSet")["spec"]["template"]["spec"]
    tolerated = {toleration["key"] for toleration in pod["tolerations"]}
    assert tolerated == {toleration["key"] for toleration in runtime["scheduling"]["tolerations"]}
    assert node.LABEL not in pod["nodeSelector"]
    for job in yaml.safe_load_all((DEPLOY / "kubernetes/job.yaml").read_text()):
        assert job["spec"]["template"]["spec"]["runtimeClassName"] == runtime["metadata"]["name"]
        assert job["spec"]["completions"] == 4
    hook = yaml.safe_load(manifest("arc-job.yaml", "ConfigMap")["data"]["template.yaml"])
    assert hook["spec"]["runtimeClassName"] == runtime["metadata"]["name"]
    values = yaml.safe_load((DEPLOY / "kubernetes/arc-runners.yaml").read_text())
    assert (
        values["template"]["spec"]["volumes"][0]["configMap"]["name"]
        == manifest("arc-job.yaml", "ConfigMap")["metadata"]["name"]
    )


def test_the_shards_of_a_job_are_all_tests(tmp_path):
    """The script of the example, in each of its shards: every test once."""
    (tmp_path / "tests").mkdir()
    for number in range(10):
        test = tmp_path / f"tests/t{number}.test"
        test.write_text("#!/bin/sh\necho ${0##*/}\n")
        test.chmod(0o755)
    seen = []
    for job in yaml.safe_load_all((DEPLOY / "kubernetes/job.yaml").read_text()):
        (container,) = job["spec"]["template"]["spec"]["containers"]
        for index in range(job["spec"]["completions"]):
            done = subprocess.run([*container["command"], *container["args"]], cwd=tmp_path, env={"JOB_COMPLETION_INDEX": str(index)},
                                  capture_output=True, text=True, timeout=60, check=True)  # fmt: skip
            seen += done.stdout.split()
    assert sorted(seen) == sorted(2 * [f"t{number}.test" for number in range(10)])


def test_the_engines_snippets():
    assert json.loads((DEPLOY / "docker.json").read_text())["runtimes"]["lsf"]["path"].endswith("/lsf-oci")
    tomllib = pytest.importorskip("tomllib")
    for name in ("containerd.toml", "containerd-2.toml", "crio.conf", "podman.conf"):
        tomllib.loads((DEPLOY / name).read_text())
    assert tomllib.loads((DEPLOY / "podman.conf").read_text())["engine"]["runtimes"]["lsf-oci"]


# ---------------------------------------------------------------- a node


def load_node():
    spec = importlib.util.spec_from_file_location("lsf_deploy_node", DEPLOY / "node.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def node(monkeypatch, tmp_path):
    """The program, with a node's files in `host`; what it has the node do is done here, or noted in `asked`."""
    module = load_node()
    module.host = tmp_path / "host"
    module.payload = tmp_path / "payload"
    (module.payload / "bin").mkdir(parents=True)
    shutil.copy(harness.oci_program(), module.payload / "bin/lsf-oci")
    (module.payload / "lib/lsf").mkdir(parents=True)
    shutil.copy(harness.shim_image(), module.payload / "lib/lsf/shim.elf")
    (module.host / "opt").mkdir(parents=True)
    fake = tmp_path / "runtime"
    fake.write_text("#!/bin/sh\necho fake version 1\n")
    fake.chmod(0o755)
    module.asked = []

    def on_host(host, *words):
        module.asked.append(" ".join(words))
        if words[0].endswith("/lsf-oci"):
            return subprocess.run([f"{host}{words[0]}", *words[1:]], capture_output=True, text=True, timeout=60, check=False,
                                  env={"PATH": "/usr/bin:/bin", "LSF_OCI_RUNTIME": str(fake)})  # fmt: skip
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(module, "on_host", on_host)
    return module


@pytest.mark.parametrize("version", [2, 3])
def test_a_node_with_containerd(node, version, capsys):
    file = node.host / "etc/containerd/config.toml"
    file.parent.mkdir(parents=True)
    before = f"version = {version}\n[grpc]\naddress = '/run/c.sock'\n"
    file.write_text(before)
    node.install(node.host, node.payload)
    assert "lsf-oci version" in capsys.readouterr().out
    assert node.asked[-1] == "systemctl restart containerd"
    told = file.read_text()
    assert told.startswith(before)
    assert ("io.containerd.cri.v1.runtime" in told) == (version == 3)
    if sys.version_info >= (3, 11):
        import tomllib

        assert "lsf" in json.dumps(tomllib.loads(told))
    # Once more is nothing new to the engine; its files are the new ones.
    node.asked.clear()
    node.install(node.host, node.payload)
    assert not [words for words in node.asked if "systemctl" in words]
    assert file.read_text() == told
    assert sorted(path.name for path in (node.host / "opt").iterdir()) == ["lsf"]
    node.remove(node.host)
    assert file.read_text() == before
    assert node.asked[-1] == "systemctl restart containerd"
    assert not (node.host / "opt/lsf").exists()


def test_a_node_with_crio(node):
    (node.host / "etc/crio").mkdir(parents=True)
    node.install(node.host, node.payload)
    assert (node.host / "etc/crio/crio.conf.d/20-lsf.conf").read_text() == (DEPLOY / "crio.conf").read_text()
    assert node.asked[-1] == "systemctl restart crio"
    node.remove(node.host)
    assert not list((node.host / "etc/crio/crio.conf.d").iterdir())


def test_a_node_that_is_not_fit(node, tmp_path):
    with pytest.raises(node.Unfit, match="neither /etc/containerd nor /etc/crio"):
        node.install(node.host, node.payload)
    (node.host / "etc/containerd").mkdir(parents=True)
    (node.host / "etc/containerd/config.toml").write_text("[plugins]\n")
    with pytest.raises(node.Unfit, match="version 1"):
        node.install(node.host, node.payload)
    assert (node.host / "etc/containerd/config.toml").read_text() == "[plugins]\n"
    (node.payload / "bin/lsf-oci").write_bytes(b"not a program")
    (node.host / "etc/containerd/config.toml").write_text("version = 2\n")
    with pytest.raises(OSError):
        node.install(node.host, node.payload)
    assert (node.host / "etc/containerd/config.toml").read_text() == "version = 2\n"


def test_the_label(node, monkeypatch, tmp_path):
    asked = []

    class Answer(io.BytesIO):
        pass

    def urlopen(request, timeout, context):
        asked.append(
            (request.get_method(), request.full_url, json.loads(request.data), request.headers["Content-type"])
        )
        return Answer(b"{}")

    (tmp_path / "token").write_text("secret")
    monkeypatch.setattr(node, "ACCOUNT", tmp_path)
    monkeypatch.setattr(node.urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(node.ssl, "create_default_context", lambda cafile: None)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "api")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    for value in ("true", None):
        node.label("one", value)
    url, kind = "https://api:6443/api/v1/nodes/one", "application/merge-patch+json"
    assert asked == [("PATCH", url, {"metadata": {"labels": {node.LABEL: value}}}, kind) for value in ("true", None)]


def test_the_command(node, capsys):
    assert node.main(["--host", str(node.host), "--payload", str(node.payload), "install"]) == 1
    assert capsys.readouterr().err.startswith("node.py: neither")
    done = subprocess.run(
        [sys.executable, DEPLOY / "node.py", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert "--wait" in done.stdout
    assert Path(DEPLOY / "node.py").is_file()
