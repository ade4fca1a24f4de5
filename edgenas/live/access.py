"""Who may read a run over the network: its own machine, or whoever has the token.

A page of some other site that is open in the same browser must not read the run either: so the
``Host`` of each request must be a name of this server (a stranger's name that is made to point
here, DNS rebinding, is refused), and no answer allows another origin to look into it.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from http.cookies import CookieError, SimpleCookie

from edgenas.errors import ConfigError

FEWEST_CHARACTERS = 16
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Access:
    """Decides on each request.

    Args:
        host: Name or address that the server listens on.
        token: What a request must know, or None on this machine's own addresses.

    Attributes:
        session: What the cookie of a browser holds that has shown the token; another one each time.

    Raises:
        ConfigError: A host that others can reach was given without a token, or the token is short.
    """

    def __init__(self, host: str, token: str | None = None) -> None:
        if token is None and not is_loopback(host):
            raise ConfigError(
                f"--host {host} was given, which other machines can reach; add --token with "
                f"{FEWEST_CHARACTERS} or more characters, or --token alone to have one made up"
            )
        if token is not None and (len(token) < FEWEST_CHARACTERS or not token.isascii()):
            raise ConfigError(
                f"a token of {len(token)} characters was given; expected {FEWEST_CHARACTERS} or more, "
                "all of them ASCII"
            )
        self.host, self.token = host, token
        self.session = secrets.token_urlsafe(24)
        self._names = {host.lower(), *LOOPBACK_NAMES}
        if is_wildcard(host):
            self._names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def knows_host(self, header: str | None) -> bool:
        """Whether a ``Host`` header names this server.

        Addresses are let through where the server listens on all of them: no one can point an address
        elsewhere.
        """
        name = host_of(header or "")
        return name in self._names or (is_wildcard(self.host) and _is_address(name))

    def admits(self, authorization: str | None, cookie: str | None, cookie_name: str) -> bool:
        """Whether a request may read: no token is asked, or its header or its cookie knows it."""
        if self.token is None:
            return True
        kind, _, given = (authorization or "").partition(" ")
        if kind.lower() == "bearer" and self.is_token(given.strip()):
            return True
        return _same(_cookie(cookie, cookie_name), self.session)

    def is_token(self, given: str) -> bool:
        """Whether a text is the token; takes as long whatever it is."""
        return self.token is not None and _same(given, self.token)


def made_up_token() -> str:
    """A token of 192 random bits."""
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def is_wildcard(host: str) -> bool:
    """Whether a host stands for all addresses of this machine."""
    return host == "" or (_is_address(host) and ipaddress.ip_address(host).is_unspecified)


def host_of(header: str) -> str:
    """The name in a ``Host`` header, without the port."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())


def _cookie(header: str | None, name: str) -> str:
    try:
        found = SimpleCookie(header or "").get(name)
    except CookieError:
        return ""
    return found.value if found else ""
