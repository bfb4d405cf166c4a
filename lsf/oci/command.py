"""`lsf-oci-config`, which lsf-oci executes where a configuration has a section for FreeBSD, and nobody else does:

    lsf-oci-config LSF-OCI CONFIG BUNDLE WORD...

Executes LSF-OCI again in this process, with the words it was called with, and the changed configuration as a descriptor.
"""

import json
import os
import sys

from lsf.oci import freebsd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def run(own: str, path: str, bundle: str, words: "list[str]") -> "NoReturn":
    """Take the section out. Raises OSError where LSF-OCI cannot be executed."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            config = json.load(file, strict=False)
        freebsd.to_linux(config, bundle)
        # In memory: nothing is left of it, whoever ends how.
        fd = os.memfd_create("lsf-config", 0)
        with open(fd, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as file:
            json.dump(config, file, separators=(",", ":"), ensure_ascii=False)
        os.lseek(fd, 0, os.SEEK_SET)
        told = ["--lsf-config", str(fd)]
    except freebsd.OciError as error:
        told = ["--lsf-refuse", str(error)]
    except OSError as error:
        told = ["--lsf-refuse", f"{path}: {error.strerror}"]
    except (ValueError, RecursionError) as error:
        told = ["--lsf-refuse", f"{path}: not JSON: {error}"]
    os.execv(own, [words[0], *told, *words[1:]])


def main() -> int:
    """`lsf-oci-config`."""
    if len(sys.argv) < 5:
        print("lsf-oci-config is a part of lsf-oci, and is called by it alone", file=sys.stderr)
        return 1
    run(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
