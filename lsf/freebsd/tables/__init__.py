"""FreeBSD/amd64 in tables: numbers, names and layouts, and nothing that runs. The build makes C of them, Python decodes with them."""
