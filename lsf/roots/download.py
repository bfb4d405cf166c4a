"""HTTP for roots: files that are checked, resumed after a cut, and shown as they come."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from lsf.roots import RootError
from lsf.roots.tree import digest_of_open

CONNECT_TIMEOUT = 15
READ_TIMEOUT = 60
#: how often in a row a transfer may bring nothing before it is given up, and how long to wait in between
ATTEMPTS = 5
PAUSE = 1.0
CHUNK = 1 << 15  # what is lost at a cut: urllib3 gives nothing of a piece that did not come whole
MAX_TRANSFERS = 200
MAX_REDIRECTS = 10
PACKAGES = "requests tqdm zstandard cryptography"  # dependencies of pyproject.toml


class DownloadError(RootError):
    """What was asked for did not come."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ChecksumError(DownloadError):
    """What came is not what was announced."""


def need(name: str) -> Any:
    """Import a package that fetching needs, or say in one sentence that it is missing."""
    import importlib
    import shlex

    try:
        return importlib.import_module(name)
    except ImportError:
        raise RootError(
            f"fetching roots needs the Python package {name}: `{shlex.quote(sys.executable)} -m pip install {PACKAGES}`"
            " brings it and what else fetching takes"
        ) from None


def digest_of(path: str, algorithm: str) -> str:
    """The hexadecimal digest of a file."""
    with open(path, "rb") as file:
        return digest_of_open(file, algorithm)


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def check_url(url: str, what: str) -> str:
    """A web address without its last slash. Raises RootError for another thing."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise RootError(f"{what} {shown(url)}: not an http or https address")
    return url.rstrip("/")


def comes_safely(url: str) -> bool:
    """Whether nobody on the way can change what comes from an address: it is https, or this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return (
        parts.scheme == "https" or host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
    )


def shown(url: str) -> str:
    """An address without the name and password that may be in it: for people, and for what is kept."""
    scheme, separator, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return scheme + separator + place.rpartition("@")[2] + slash + path


def _origin(url: str) -> tuple[str, str, int]:
    """Whom one talks to at an address: scheme, host and port. Raises ValueError for what is no address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https address")
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


def _next(url: str, location: str) -> str:
    """Where a redirection leads. Raises DownloadError for a place that is not safe, or none."""
    try:
        found = urljoin(url, location)
        safe = _origin(found)[0] == "https" or _origin(url)[0] == "http"
    except ValueError:
        raise DownloadError(f"{shown(url)}: the server leads to {location[:200]!r}, which is no address", 1) from None
    if not safe:
        raise DownloadError(
            f"{shown(url)}: the server leads to {shown(found)}, from https to http, which is not safe", 1
        )
    return found


def _no_login(request: Any) -> Any:
    """As `auth`: nothing is added, from no file of logins either."""
    return request


def _reason(error: Exception) -> str:
    """What lies beneath the layers of an exception of requests, in words."""
    inner: BaseException = error
    for _ in range(8):
        cause = getattr(inner, "reason", None) or inner.__cause__ or inner.__context__
        if not isinstance(cause, BaseException):
            break
        inner = cause
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    text = str(inner) or type(inner).__name__
    return text if len(text) < 300 else text[:300] + "..."


class Client:
    """One session with the servers of a download. Use as a context manager."""

    def __init__(self, quiet: bool = False) -> None:
        self._requests = need("requests")
        self._tqdm = need("tqdm").tqdm
        self._session = self._requests.Session()
        self._session.headers["User-Agent"] = "lsf"
        self._quiet = quiet
        self._together: Any = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    @contextlib.contextmanager
    def together(self, total: int, label: str) -> Iterator[None]:
        """Show what is fetched in one bar, of `total` bytes."""
        with self._bar(total, 0, label) as self._together:
            try:
                yield
            finally:
                self._together = None

    def passed(self, size: int) -> None:
        """What need not be fetched counts in that bar, too."""
        if self._together is not None:
            self._together.update(size)

    def _bar(self, total: int, initial: int, label: str) -> Any:
        return self._tqdm(
            total=total or None,
            initial=initial,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            desc=label,
            disable=self._quiet or None,  # None: hidden where standard error is no terminal
            leave=True,
            dynamic_ncols=True,
        )

    def say(self, line: str) -> None:
        """Tell what is being done, on standard error."""
        if not self._quiet:
            print(line, file=sys.stderr, flush=True)

    def open(self, url: str, headers: Mapping[str, str] | None = None, auth: Any = None) -> Any:
        """A response whose body has not been read. Raises DownloadError where none comes.

        auth adds a login to a request; the login in an address is one, too. It is for the address's own server alone: once a
        redirection has led elsewhere, which `.elsewhere` of the response says, nothing of it is sent any more.
        """
        # identity: a length and a range are of the file, not of what a server made of it
        wanted = {"Accept-Encoding": "identity", **(headers or {})}
        try:
            first = _origin(url)
        except ValueError as error:
            raise DownloadError(f"{shown(url)[:200]}: {error}", 1) from None
        login = auth or self._login_in(url)
        elsewhere = False
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = self._session.get(
                    url,
                    headers=wanted,
                    auth=login,
                    stream=True,
                    timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                    allow_redirects=False,
                )
            except (self._requests.RequestException, OSError, ValueError) as error:
                raise DownloadError(f"{shown(url)}{self._by_proxy(url)}: {_reason(error)}") from None
            response.elsewhere = elsewhere
            try:
                location = self._session.get_redirect_target(response)
            except ValueError:
                location = "//"  # not of any encoding
            if not location:
                return response
            response.close()
            url = _next(url, location)
            if _origin(url) != first:
                elsewhere, login = True, _no_login
        raise DownloadError(f"{shown(url)}: more than {MAX_REDIRECTS} redirections, one after another", 1)

    def _by_proxy(self, url: str) -> str:
        """Which proxy of the environment an address is asked through, for a sentence of what went wrong; "" for none."""
        utils = self._requests.utils
        try:
            proxy = utils.select_proxy(url, utils.get_environ_proxies(url))
        except ValueError:
            return ""
        return f", by the proxy {shown(proxy)}" if proxy else ""

    def _login_in(self, url: str) -> Any:
        name, password = self._requests.utils.get_auth_from_url(url)
        return (name, password) if name or password else _no_login

    def get(self, url: str, limit: int, headers: Mapping[str, str] | None = None, auth: Any = None) -> Any:
        """A small thing: the response, with its whole body in `.body`. The status is the caller's to judge."""
        last: DownloadError | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE)
            try:
                response = self.open(url, headers, auth)
                with response:
                    body = b""
                    for piece in response.iter_content(CHUNK):
                        body += piece
                        if len(body) > limit:
                            raise DownloadError(f"{shown(url)}: more than {limit} bytes came, which this cannot be", 1)
                    if response.status_code >= 500 or response.status_code == 429:
                        raise DownloadError(
                            f"{shown(url)}: the server answers {response.status_code} {response.reason}"
                        )
            except (self._requests.RequestException, OSError) as error:
                last = DownloadError(f"{shown(url)}: {_reason(error)}")
                continue
            except DownloadError as error:
                if error.status:
                    raise
                last = error
                continue
            response.body = body
            return response
        assert last is not None
        raise last

    def fetch(
        self,
        url: str,
        path: str,
        digest: str,
        *,
        size: int = 0,
        limit: int = 8 << 30,
        label: str = "",
        auth: Any = None,
    ) -> None:
        """Bring a file to `path`; what an earlier try left there is continued.

        digest: "ALGORITHM:HEX", which it must have; size: its length, where that is known. Raises DownloadError; what
        has come by then stays for the next time, unless it is wrong.
        """
        algorithm, _, expected = digest.partition(":")
        resumed = _size(path) > 0
        for last in (False, True) if resumed else (True,):
            self._transfer(url, path, size, limit, label or shown(url), auth)
            found = digest_of(path, algorithm)
            if found == expected:
                return
            os.truncate(path, 0)  # the file itself stays: its lock may be held
            if not last:
                self.say(f"{label or shown(url)}: what an earlier try left does not fit; beginning again")
        raise ChecksumError(
            f"{shown(url)} is not what was announced: its {algorithm} is {found}, not {expected}; it was thrown away"
        )

    def _transfer(self, url: str, path: str, size: int, limit: int, label: str, auth: Any) -> None:
        """Append to a file until it is whole, going on after each cut."""
        fruitless = 0
        for _ in range(MAX_TRANSFERS):
            before = _size(path)
            if size and before >= size:
                if before > size:
                    os.truncate(path, 0)
                    before = 0
                else:
                    return
            try:
                if self._one_transfer(url, path, before, size, limit, label, auth):
                    return
                reason = "the connection was cut"
            except DownloadError as error:
                if error.status:
                    raise
                reason = str(error)
            after = _size(path)
            fruitless = 0 if after > before else fruitless + 1
            if fruitless >= ATTEMPTS:
                break
            time.sleep(PAUSE)
        have = _size(path)
        kept = f"; {have} bytes are kept, and the same command goes on from there" if have else ""
        raise DownloadError(f"{label} did not come whole: {reason}{kept}")

    def _one_transfer(self, url: str, path: str, have: int, size: int, limit: int, label: str, auth: Any) -> bool:
        """One request. Returns whether the file is whole; what came is in the file either way."""
        response = self.open(url, {"Range": f"bytes={have}-"} if have else None, auth)
        with response:
            status = response.status_code
            if status == 416 and have:
                # Nothing after what is there: it is whole, or not the same file any more (the checksum will tell).
                total = response.headers.get("Content-Range", "").rpartition("/")[2]
                if total.isdecimal() and int(total) == have:
                    return True
                os.truncate(path, 0)
                return False
            if status >= 500 or status == 429:
                raise DownloadError(f"{shown(url)}: the server answers {status} {response.reason}")
            if status not in (200, 206):
                raise DownloadError(f"{shown(url)}: the server answers {status} {response.reason}", status)
            if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                raise DownloadError(
                    f"{shown(url)}: the server answers with another range than it was asked for", status
                )
            if status == 200:
                have = 0
            length = response.headers.get("Content-Length", "")
            total = have + int(length) if length.isdecimal() else 0
            if size and total and total != size:
                raise ChecksumError(f"{shown(url)} is not what was announced: it has {total} bytes, not {size}", status)
            if max(size, total) > limit:
                raise DownloadError(
                    f"{shown(url)}: {max(size, total)} bytes are more than the limit of {limit}", status
                )
            return self._receive(response, path, have, size or total, limit, label)

    def _receive(self, response: Any, path: str, have: int, total: int, limit: int, label: str) -> bool:
        joint = self._together
        with (
            open(path, "r+b" if have else "wb") as file,
            contextlib.nullcontext(joint) if joint is not None else self._bar(total, have, label) as bar,
        ):
            file.seek(have)
            try:
                for piece in response.iter_content(CHUNK):
                    file.write(piece)
                    have += len(piece)
                    bar.update(len(piece))
                    if have > (total or limit):
                        raise DownloadError(
                            f"{shown(response.url)}: more came than was announced", response.status_code
                        )
            except self._requests.RequestException:
                return False
        return have == total if total else True
