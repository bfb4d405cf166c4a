"""lsf-oci, an OCI runtime for FreeBSD images: it changes a container's configuration and hands it to crun or runc.

The program is `lsf/_oci.pyx` with the files here, a static one: containers wait for it, and their nodes may have no Python. Python does
what no engine for Linux asks for: it takes the section for FreeBSD out of a configuration that has one (`lsf-oci-config`).
"""
