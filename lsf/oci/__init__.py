"""lsf-oci, an OCI runtime for FreeBSD images: it changes what an engine asks for, and crun or runc does it.

An engine (podman, docker, containerd, CRI-O) gives a runtime a *bundle*: a folder with config.json, which names the root, the
mounts and the process. Where FreeBSD's files or program are in it, the shim's image is mounted into the container and the
process led through it: that is all that crun and runc lack. `scripts/lsf-oci` is the command; what LSF has a part in comes
here by `scripts/lsf-oci-config`, all else goes to crun or runc at once.

Every container waits for this, so nothing is imported that costs. Specification: opencontainers/runtime-spec, config.md,
config-linux.md, config-freebsd.md.
"""
