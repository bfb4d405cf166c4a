# A FreeBSD userland on Linux: the final stage is a FreeBSD root and the shim, nothing else.
#
#   docker build -t lsf [--build-arg RELEASE=14.3-RELEASE] .
#   docker run -it --rm lsf                     FreeBSD's /bin/sh
#   docker exec -it ID /lsf -- /bin/sh          a second one
#
# No --security-opt is needed: Syscall User Dispatch acts before seccomp. Under lsf-oci it is an image as any other.
#
#   BASE      what builds it: a Debian, or an image that has Python 3.10 and its venv (and gcc, where dist/ has no wheel)
#   RELEASE   which FreeBSD, in full
#   MIRROR    the folder of releases that base.txz comes from, if not FreeBSD's own
#   SHA256    what base.txz must have, if not what FreeBSD has published
ARG BASE=debian:12

# A wheel in dist/ is installed as it is, and nothing is compiled; else this checkout is built.
FROM ${BASE} AS build
COPY . /src
WORKDIR /src
RUN set -eu; set -- dist/freebsd_lsf-*.whl; compiler=''; \
    if ! [ -e "$1" ]; then set -- .; compiler='gcc libc6-dev binutils python3-dev'; fi; \
    if ! python3 -c 'import venv, ensurepip' 2>/dev/null || { [ -n "$compiler" ] && ! command -v gcc >/dev/null; }; then \
        apt-get update -q; \
        apt-get install -y -q --no-install-recommends python3-venv ca-certificates $compiler; \
    fi; \
    python3 -m venv /opt/venv; \
    /opt/venv/bin/pip install -q "$@"; \
    cp "$(/opt/venv/bin/python -I -c 'from lsf.start.files import shim_path; print(shim_path())')" /opt/venv/shim.elf

FROM build AS root
ARG RELEASE=14.3-RELEASE
ARG MIRROR=""
ARG SHA256=""
# Fetched from the mirror and checked against the digest that FreeBSD has published.
RUN set -eu; export LSF_ROOTS=/roots LSF_MIRROR="$MIRROR"; \
    /opt/venv/bin/lsfctl root install "$RELEASE" ${SHA256:+--sha256 "$SHA256"}; \
    mv "$(/opt/venv/bin/lsfctl root path)" /freebsd; \
    cp /opt/venv/shim.elf /freebsd/lsf

# What a Kubernetes node needs, and what puts it there: --target installer (docs/user/cluster.md).
FROM ${BASE} AS installer
RUN command -v python3 >/dev/null || { apt-get update -q && apt-get install -y -q --no-install-recommends python3; }
COPY --from=build /opt/venv/bin/lsf-oci /payload/bin/
COPY --from=build /opt/venv/shim.elf /payload/lib/lsf/
COPY deploy/ /deploy/
ENTRYPOINT ["python3", "/deploy/node.py"]

FROM scratch
ARG RELEASE=14.3-RELEASE
COPY --from=root /freebsd /
ENV LSF_OSRELEASE=$RELEASE
ENTRYPOINT ["/lsf", "--"]
CMD ["/bin/sh"]
