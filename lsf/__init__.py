"""LSF, the Linux Subsystem for FreeBSD."""
