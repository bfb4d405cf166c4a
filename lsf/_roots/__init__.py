"""What makes roots: fetching, unpacking, container images, the linker's hints. Nothing here is on the way of `lsf`."""
