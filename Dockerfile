# A FreeBSD userland on Linux: the final stage is a FreeBSD root and the shim, nothing else.
#
#   docker build -t lsf [--build-arg RELEASE=14.3-RELEASE] .
#   docker run -it --rm lsf                     FreeBSD's /bin/sh
#   docker exec -it ID /lsf -- /bin/sh          a second one
#
# No --security-opt is needed: Syscall User Dispatch acts before seccomp.
FROM debian:12 AS build
RUN apt-get update -q && apt-get install -y -q --no-install-recommends \
        gcc libc6-dev binutils python3-dev python3-venv ca-certificates
COPY . /src
WORKDIR /src
RUN python3 -m venv /opt/lsf && /opt/lsf/bin/pip install -q .

FROM build AS root
ARG RELEASE=14.3-RELEASE
# Fetched from FreeBSD's mirror and checked against the digest that FreeBSD has published.
RUN LSF_ROOTS=/roots /opt/lsf/bin/lsfctl root install "$RELEASE" \
        && mv "$(LSF_ROOTS=/roots /opt/lsf/bin/lsfctl root path)" /freebsd \
        && cp "$(/opt/lsf/bin/python -c 'from lsf.start.files import shim_path; print(shim_path())')" /freebsd/lsf

FROM scratch
ARG RELEASE=14.3-RELEASE
COPY --from=root /freebsd /
ENV LSF_OSRELEASE=$RELEASE
ENTRYPOINT ["/lsf", "--"]
CMD ["/bin/sh"]
