"""A real OpenSSH server on the loopback, started as whoever runs the tests, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgenas.profile.runner import Route

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def server(folder: Path) -> Iterator[Board]:
    """A server until the block ends; the test is skipped where none can be started."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("OpenSSH's client and server are needed (Debian: openssh-client, openssh-server)")
    if os.geteuid() == 0:
        try:
            Path("/run/sshd").mkdir(exist_ok=True)  # where a server that runs as root locks itself in
        except OSError as error:
            pytest.skip(f"sshd as root needs /run/sshd: {error}")
    board = Board(folder)
    process = board.start()
    try:
        yield board
    finally:
        process.terminate()
        process.wait()


class Board:
    """The server's folder, port and process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(0o700)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        for name in ("host_key", "user_key", "stranger_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
        self.trust("host_key")
        (folder / "config").write_text(
            f'UserKnownHostsFile "{folder}/known_hosts"\n'
            "GlobalKnownHostsFile /dev/null\n"
            f'IdentityFile "{folder}/user_key"\nIdentitiesOnly yes\n'
        )
        (folder / "sshd_config").write_text(
            f'ListenAddress 127.0.0.1\nPort {self.port}\nHostKey "{folder}/host_key"\n'
            f'AuthorizedKeysFile "{folder}/authorized_keys"\nStrictModes no\nUsePAM no\n'
            f'PasswordAuthentication no\nPidFile "{folder}/pid"\n'
        )

    def trust(self, key: str) -> None:
        """Make a key the one that the client knows of this host."""
        kind, text = (self.folder / f"{key}.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {text}\n")

    def start(self) -> subprocess.Popen[bytes]:
        assert SSHD is not None
        log = (self.folder / "log").open("ab")
        with log:
            process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")], stdout=log, stderr=log
            )
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return process
            if process.poll() is not None:
                break
            time.sleep(0.02)
        process.kill()
        pytest.skip(f"sshd did not start: {(self.folder / 'log').read_text()[-300:]}")

    def route(self, python: str = sys.executable) -> Route:
        return Route(
            ssh=f"{getpass.getuser()}@127.0.0.1:{self.port}", ssh_config=self.folder / "config", python=python
        )
