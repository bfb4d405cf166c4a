"""Makes a Kubernetes node fit for FreeBSD images, or undoes that: the program of deploy/kubernetes/installer.yaml.

    node.py [--host DIR] install [--wait]     files, the engine's configuration, its restart, the node's label
    node.py [--host DIR] remove

What it brings is in /payload (Dockerfile, target installer): two static programs, so that a node needs nothing of its own but crun or
runc. Runs on the image's Python, and needs nothing but that.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent
PLACE = "opt/lsf"
LABEL = "freebsd-lsf/ready"
BEGIN, END = "# --- freebsd-lsf begins", "# --- freebsd-lsf ends"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
FILES = ("bin/lsf-oci", "lib/lsf/shim.elf")


class Unfit(Exception):
    """The node cannot be used; the text is one sentence."""


def on_host(host: Path, *words: str) -> subprocess.CompletedProcess:
    """Run a command of the node's own."""
    return subprocess.run(["chroot", str(host), *words], capture_output=True, text=True, timeout=120, check=False)


def put_files(host: Path, payload: Path) -> None:
    """LSF at its place, whole or as it was. Containers that run keep the image that they were started with."""
    place = host / PLACE
    new = place.with_name("lsf.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(payload, new, symlinks=True)
    for name in FILES:
        (new / name).chmod(0o755)
    old = place.with_name("lsf.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def without_ours(text: str) -> str:
    """A configuration without the part between the marks."""
    return re.sub(rf"\n?{re.escape(BEGIN)}\n.*?{re.escape(END)}\n", "", text, flags=re.DOTALL)


def containerd_part(text: str) -> str:
    """What is to stand in containerd's configuration, by the version that it is written in."""
    version = re.search(r"^\s*version\s*=\s*(\d+)", text, re.MULTILINE)
    number = int(version[1]) if version else 1
    if number < 2:
        raise Unfit("containerd's configuration is of version 1; it must be of version 2 or 3")
    return (DEPLOY / ("containerd.toml" if number == 2 else "containerd-2.toml")).read_text()


def replace(path: Path, text: str) -> bool:
    """Give a file another text in one step: whether it had another one before."""
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".lsf-new")
    new.write_text(text)
    new.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
    new.rename(path)
    return True


def configure(host: Path, wanted: bool) -> list[str]:
    """Tell the engines of the node, or let them forget: the services to restart. Raises Unfit where there is no engine."""
    restart = []
    containerd, crio = host / "etc/containerd/config.toml", host / "etc/crio"
    found = False
    if containerd.parent.is_dir():
        found = True
        text = containerd.read_text() if containerd.exists() else "version = 2\n"
        plain = without_ours(text)
        part = f"\n{BEGIN}\n{containerd_part(plain).strip()}\n{END}\n" if wanted else ""
        if (wanted or containerd.exists()) and replace(containerd, plain + part):
            restart.append("containerd")
    if crio.is_dir():
        found = True
        file = crio / "crio.conf.d/20-lsf.conf"
        if wanted and replace(file, (DEPLOY / "crio.conf").read_text()):
            restart.append("crio")
        elif not wanted and file.exists():
            file.unlink()
            restart.append("crio")
    if wanted and not found:
        raise Unfit(
            "neither /etc/containerd nor /etc/crio is on this node: tell its engine of /opt/lsf/bin/lsf-oci by hand"
        )
    return restart


def label(node: str, value: str | None) -> None:
    """Set or remove the node's label. Raises OSError."""
    server = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    patch = json.dumps({"metadata": {"labels": {LABEL: value}}}).encode()
    request = urllib.request.Request(f"{server}/api/v1/nodes/{node}", data=patch, method="PATCH", headers={
        "Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": "application/merge-patch+json"})  # fmt: skip
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, timeout=30, context=context) as answer:
        answer.read()


def restart(host: Path, services: list[str]) -> None:
    """Restart what has a new configuration. Containers go on. Raises Unfit."""
    for service in services:
        done = on_host(host, "systemctl", "restart", service)
        if done.returncode:
            raise Unfit(f"systemctl restart {service}: {(done.stderr or 'failed').strip().splitlines()[-1]}")


def install(host: Path, payload: Path) -> None:
    """Raises Unfit, and leaves the node without the label."""
    put_files(host, payload)
    told = on_host(host, f"/{PLACE}/bin/lsf-oci", "--version")
    if told.returncode:
        raise Unfit(f"lsf-oci does not run on this node: {(told.stderr or told.stdout).strip()}")
    restart(host, configure(host, True))
    print(told.stdout.strip(), flush=True)


def remove(host: Path) -> None:
    restart(host, configure(host, False))
    shutil.rmtree(host / PLACE, ignore_errors=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", type=Path, default=Path("/"), help="where the node's files are (default: /)")
    parser.add_argument("--payload", type=Path, default=Path("/payload"), help="what is installed")
    parser.add_argument("action", choices=("install", "remove"))
    parser.add_argument("--wait", action="store_true", help="stay until SIGTERM, as a DaemonSet's pod does")
    options = parser.parse_args(arguments)
    node = os.environ.get("NODE_NAME", "")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        if options.action == "install":
            install(options.host, options.payload)
            if node:
                label(node, "true")
        else:
            if node:
                label(node, None)
            remove(options.host)
    except (Unfit, OSError) as error:
        print(f"node.py: {error}", file=sys.stderr, flush=True)
        return 1
    while options.wait and not ended.wait(3600):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
