"""Images from a registry: manifests, blobs, and the tokens that registries hand out.

Specification: opencontainers/distribution-spec; tokens: distribution.github.io/distribution/spec/auth/token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

from lsf.roots import RootError, oci
from lsf.roots.download import Client, DownloadError
from lsf.roots.downloads import Cache
from lsf.roots.oci import Blob, ImageError

MAX_TOKEN = 1 << 20
_REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?")
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?")


class Reference:
    """The name of an image: [http[s]://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST].

    HOST may be left out where LSF_REGISTRY names one. A registry on this machine is spoken to in plain HTTP, every
    other one in HTTPS, unless the name says otherwise.
    """

    def __init__(self, text: str, default_host: str = "") -> None:
        scheme, separator, rest = text.partition("://")
        if not separator:
            scheme, rest = "", text
        rest, at, self.digest = rest.partition("@")
        host, _, path = rest.partition("/")
        # As everywhere: the first part is a host where it has a dot or a port in it, or is localhost.
        if not scheme and not (path and ("." in host or ":" in host or host == "localhost")):
            if not default_host:
                raise RootError(f"{text} names no registry: HOST/REPOSITORY[:TAG], or LSF_REGISTRY=HOST")
            scheme, separator, host = default_host.rpartition("://")
            path = rest
            if not _HOST.fullmatch(host.rstrip("/")) or scheme not in ("", "http", "https"):
                raise RootError(f"LSF_REGISTRY={default_host}: not the name of a registry (HOST or HOST:PORT)")
        path, colon, tag = path.partition(":")
        self.host, self.repository, self.tag = host.rstrip("/"), path, tag or "latest"
        self.scheme = scheme or ("http" if _LOOPBACK.fullmatch(self.host) else "https")
        good = (
            self.scheme in ("http", "https")
            and _HOST.fullmatch(self.host)
            and _REPOSITORY.fullmatch(path)
            and (not colon or _TAG.fullmatch(tag))
            and (not at or oci.DIGEST.fullmatch(self.digest))
        )
        if not good:
            raise RootError(f"{text}: not the name of an image (HOST/REPOSITORY[:TAG][@sha256:...], in lower case)")

    @property
    def base(self) -> str:
        return f"{self.scheme}://{self.host}/v2/{self.repository}"

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}" + (f"@{self.digest}" if self.digest else f":{self.tag}")


def login_of(host: str, file: str) -> str:
    """The base64 of USER:PASSWORD for a registry in a file as `podman login --authfile` makes it; "" for none."""
    try:
        with open(file, "rb") as opened:
            document = json.loads(opened.read(1 << 20))
        entry = document.get("auths", {}).get(host, {})
        login = entry.get("auth", "")
        base64.b64decode(login, validate=True)
        return str(login)
    except OSError as error:
        raise RootError(f"{file}: {error.strerror}") from None
    except (ValueError, AttributeError, TypeError, RecursionError, binascii.Error):
        raise RootError(f"{file}: not a file of registry logins (JSON, as podman and docker write it)") from None


class _Authorization:
    """Adds a header to the requests of one server; Client.open leaves it out where a redirection leads to another one."""

    def __init__(self, value: str = "") -> None:
        self.value = value

    def __call__(self, request: Any) -> Any:
        if self.value:
            request.headers["Authorization"] = self.value
        return request


class Registry:
    """One repository of a registry, as a source of blobs, which the cache keeps."""

    def __init__(self, client: Client, reference: Reference, cache: Cache, auth_file: str = "") -> None:
        self.name = str(reference)
        self._client, self._reference, self._cache = client, reference, cache
        self._auth = _Authorization()
        self._known: dict[str, bytes] = {}  # by digest
        self._login = login_of(reference.host, auth_file) if auth_file else ""

    def _authenticate(self, response: Any) -> bool:
        """Do what a 401 of the registry's asks for. Returns whether there is something new to try.

        What another server asks for, to which the registry has led, gets nothing: neither the login nor a token.
        """
        if response.status_code != 401 or response.elsewhere:
            return False
        scheme, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        parameters = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _PARAMETER.finditer(rest)}
        before = self._auth.value
        if scheme.lower() == "basic":
            self._auth.value = f"Basic {self._login}" if self._login else ""
        elif scheme.lower() == "bearer":
            self._auth.value = f"Bearer {self._token(parameters)}"
        return bool(self._auth.value) and self._auth.value != before

    def _token(self, parameters: dict[str, str]) -> str:
        realm = parameters.get("realm", "")
        try:
            parts = urlsplit(realm)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme != "https" and not (parts.scheme == "http" and self._reference.scheme == "http"):
            raise RootError(f"{self.name}: the registry sends to {realm or 'nowhere'} for a token, which is not safe")
        query = {
            "service": parameters.get("service", ""),
            "scope": parameters.get("scope") or f"repository:{self._reference.repository}:pull",
        }
        joint = "&" if parts.query else "?"
        login = _Authorization(f"Basic {self._login}") if self._login else None
        response = self._client.get(
            realm + joint + urlencode({k: v for k, v in query.items() if v}), MAX_TOKEN, None, login
        )
        if response.status_code in (401, 403):
            raise RootError(f"{self.name}: the registry gives no token{self._login_hint()}")
        if response.status_code != 200:
            raise RootError(f"{self.name}: asked for a token, {parts.netloc} answers {response.status_code}")
        document = oci.parse(response.body, f"the token of {parts.netloc}")
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise RootError(f"{self.name}: {parts.netloc} answers without a token")
        return token

    def _login_hint(self) -> str:
        return " for this login" if self._login else ": it needs a login (--auth-file FILE, as podman login makes it)"

    def _document(self, name: str) -> Any:
        url = f"{self._reference.base}/manifests/{name}"
        headers = {"Accept": ", ".join((*oci.INDEX_TYPES, *oci.MANIFEST_TYPES))}
        response = self._client.get(url, oci.MAX_JSON, headers, self._auth)
        if self._authenticate(response):
            response = self._client.get(url, oci.MAX_JSON, headers, self._auth)
        return self._checked(response)

    def _checked(self, response: Any) -> Any:
        status = response.status_code
        if status in (401, 403):
            raise RootError(f"{self.name}: the registry refuses it{self._login_hint()}")
        if status == 404:
            raise RootError(f"{self.name}: the registry has no such image")
        if status != 200:
            raise RootError(f"{self.name}: the registry answers {status} {response.reason}")
        return response

    def index(self) -> dict[str, Any]:
        """What the name means: an index. One image alone comes as an index of it."""
        name = self._reference.digest or self._reference.tag
        response = self._document(name)
        announced = self._reference.digest or response.headers.get("Docker-Content-Digest", "")
        if announced and oci.DIGEST.fullmatch(announced):
            oci.check_digest(response.body, announced, self.name)
        document = oci.parse(response.body, self.name)
        if "manifests" in document:
            return document
        digest = "sha256:" + hashlib.sha256(response.body).hexdigest()
        self._known[digest] = response.body
        return {"manifests": [{"mediaType": oci.MANIFEST_TYPES[0], "digest": digest, "size": len(response.body)}]}

    def document(self, blob: Blob) -> bytes:
        """A manifest, an index, or an image's configuration, checked against its digest."""
        if blob.size > oci.MAX_JSON:
            raise ImageError(f"{self.name}: a manifest has {blob.size} bytes; {oci.MAX_JSON} are the limit")
        data = self._known.get(blob.digest)
        if data is None:
            if blob.media_type in (*oci.INDEX_TYPES, *oci.MANIFEST_TYPES):
                data = self._document(blob.digest).body
            else:
                url = f"{self._reference.base}/blobs/{blob.digest}"
                response = self._client.get(url, oci.MAX_JSON, None, self._auth)
                if self._authenticate(response):
                    response = self._client.get(url, oci.MAX_JSON, None, self._auth)
                data = self._checked(response).body
            oci.check_digest(data, blob.digest, self.name)
            self._known[blob.digest] = data
        return data

    def file(self, blob: Blob, label: str) -> str:
        """The path of a blob, fetched and checked against its digest."""
        url = f"{self._reference.base}/blobs/{blob.digest}"
        for again in (True, False):
            try:
                return self._cache.get(url, blob.digest, size=blob.size, label=label, auth=self._auth)
            except DownloadError as error:
                # A token lives for minutes; a large layer may outlast it.
                if error.status != 401 or not again:
                    raise
                self._auth.value = ""
                probe = self._client.open(url, None, self._auth)
                with probe:
                    if not self._authenticate(probe):
                        raise
        raise AssertionError("the second try returns or raises")
