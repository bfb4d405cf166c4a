"""The FreeBSD personality: tables that say what FreeBSD/amd64 is. Another Unix is a sibling of this folder."""
