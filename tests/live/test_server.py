"""The web server: what it answers, and whom."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgenas.errors import ConfigError, StoreError
from edgenas.live.access import Access, host_of
from edgenas.live.server import LiveServer
from edgenas.store import Store
from tests.conftest import Command, command
from tests.live.conftest import serving

TOKEN = "a-token-of-many-characters"


@pytest.fixture
def guarded(going: Store) -> Iterator[LiveServer]:
    """A server on all addresses, with a token."""
    yield from serving(LiveServer(going.folder, "0.0.0.0", 0, TOKEN))


def ask(
    server: LiveServer, path: str = "/", method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """One request; header names with ``_`` for ``-``."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=given)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_page_script_style_and_report_are_served_with_strict_headers(server: LiveServer) -> None:
    for path, kind in (("/", "text/html"), ("/live.js", "text/javascript"), ("/live.css", "text/css"),
                       ("/report", "text/html"), ("/api/run.json", "application/json")):  # fmt: skip
        answer, body = ask(server, path)
        assert answer.status == 200 and body and answer.headers["Content-Type"].startswith(kind), path
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Python" not in answer.headers["Server"]
    assert "unsafe" not in ask(server)[0].headers["Content-Security-Policy"]


def test_head_has_the_same_headers_and_no_body(server: LiveServer) -> None:
    whole, body = ask(server, "/live.js")
    head, nothing = ask(server, "/live.js", "HEAD")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"] == str(len(body))
    assert nothing == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(server: LiveServer, method: str) -> None:
    answer, body = ask(server, "/api/run.json", method)
    assert (answer.status, answer.headers["Allow"], body) == (405, "GET, HEAD", b"405\n")


@pytest.mark.parametrize(
    "path",
    [
        "/run.db",
        "/../run.db",
        "/%2e%2e/run.db",
        "/report.html",
        "/config.toml",
        "//etc/passwd",
        "/live.js/",
        "/x\x7f",
    ],
)
def test_no_path_leads_to_the_file_system(server: LiveServer, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("GET", path.replace("\x7f", "%7f"), skip_host=False)
    connection.endheaders()
    assert connection.getresponse().status == 404
    connection.close()


def test_what_has_not_changed_is_not_sent_again(server: LiveServer, going: Store) -> None:
    first, body = ask(server, "/api/run.json")
    document = json.loads(body)
    assert [chart["title"] for chart in document["charts"]] == [
        "Validation accuracy against MACs", "Validation accuracy against peak RAM",
    ]  # fmt: skip
    assert "<svg" in document["charts"][0]["wide"]
    etag = first.headers["ETag"]
    again, nothing = ask(server, "/api/run.json", If_None_Match=etag)
    assert (again.status, nothing) == (304, b"")
    assert "charts" not in json.loads(ask(server, f"/api/run.json?since={document['version']}")[1])
    going.finish_trial("0007", {}, going.trials()[0].result or {})
    time.sleep(0.6)
    changed = json.loads(ask(server, f"/api/run.json?since={document['version']}", If_None_Match=etag)[1])
    assert changed["counts"]["completed"] == 7 and changed["charts"]


def test_trials_come_in_pages(server: LiveServer) -> None:
    newest = json.loads(ask(server, "/api/trials.json?count=3")[1])["trials"]
    assert [one["trial"] for one in newest] == ["0006", "0005", "0004"]
    older = json.loads(ask(server, f"/api/trials.json?before={newest[-1]['row']}")[1])["trials"]
    assert [one["trial"] for one in older] == ["0003", "0002", "0001", "0000"]
    for nonsense in ("before=-1", "before=x", "before=" + 50 * "9", "count=0", "count=%C2%B2"):
        assert ask(server, f"/api/trials.json?{nonsense}")[0].status == 200


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "[::2]:80", "", "8.8.8.8"])
def test_a_name_that_was_made_to_point_here_is_refused(server: LiveServer, name: str) -> None:
    answer, body = ask(server, "/api/run.json", Host=name)
    assert (answer.status, body) == (421, b"421\n")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost:8484", "LOCALHOST", "[::1]:8484"])
def test_names_of_this_machine_are_known(server: LiveServer, name: str) -> None:
    assert ask(server, Host=name)[0].status == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer"},
     {"Cookie": "edgenas=x; edgenas_1=y"}, {"Authorization": "Bearer \xe9\xe9"}],
)  # fmt: skip
def test_without_the_token_there_is_a_401_without_detail(
    guarded: LiveServer, headers: dict[str, str]
) -> None:
    for path in ("/", "/live.js", "/report", "/api/run.json", "/nothing", "/?token=wrong"):
        answer, body = ask(guarded, path, **headers)
        assert (answer.status, body, answer.headers["WWW-Authenticate"]) == (401, b"401\n", "Bearer")


def test_the_token_lets_in_by_header_and_by_address(guarded: LiveServer) -> None:
    assert ask(guarded, "/api/run.json", Authorization=f"Bearer {TOKEN}")[0].status == 200
    answer, _ = ask(guarded, f"/?token={TOKEN}")
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite" in cookie and TOKEN not in cookie
    assert ask(guarded, "/api/run.json", Cookie=cookie.split(";")[0])[0].status == 200
    assert ask(guarded, Cookie=f"{guarded.cookie_name}={TOKEN}")[0].status == 401


def test_on_all_addresses_each_of_them_is_known_but_no_strange_name(guarded: LiveServer) -> None:
    bearer = f"Bearer {TOKEN}"
    assert ask(guarded, Host="192.0.2.7:8484", Authorization=bearer)[0].status == 200
    assert ask(guarded, Host=socket.gethostname(), Authorization=bearer)[0].status == 200
    assert ask(guarded, Host="evil.example", Authorization=bearer)[0].status == 421


def test_other_machines_need_a_token(going: Store) -> None:
    for host in ("0.0.0.0", "192.0.2.1", "::", "my-machine"):
        with pytest.raises(ConfigError, match=f"--host {host} was given, which other machines can reach"):
            LiveServer(going.folder, host, 0, None)
    with pytest.raises(ConfigError, match="16 or more"):
        Access("0.0.0.0", "short")
    assert Access("127.0.0.5").token is None
    assert [host_of(text) for text in ("A:1", "[::1]:80", "b")] == ["a", "::1", "b"]


def test_a_port_in_use_and_a_strange_address_are_one_clear_line(server: LiveServer, going: Store) -> None:
    with pytest.raises(ConfigError, match=rf"port {server.port} of 127.0.0.1 is in use; choose another"):
        LiveServer(going.folder, "127.0.0.1", server.port, None)
    with pytest.raises(ConfigError, match="cannot listen"):
        LiveServer(going.folder, "192.0.2.1", 0, TOKEN)
    with pytest.raises(ConfigError, match="--port 70000 was given"):
        LiveServer(going.folder, "127.0.0.1", 70_000, None)
    with pytest.raises(StoreError, match="holds no run"):
        LiveServer(going.folder.parent, "127.0.0.1", 0, None)


def test_rubbish_ends_one_connection_and_nothing_else(server: LiveServer) -> None:
    fields = b"GET /?" + 20 * b"a&" + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    address = b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    long = b"GET /" + 70_000 * b"a" + b" HTTP/1.1\r\n\r\n"
    for rubbish, code in (
        (b"\0\1\2\r\n\r\n", b"400"), (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (fields, b"400"), (address, b"400"), (long, b"414"),
    ):  # fmt: skip
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(rubbish)
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.endswith(code + b"\n"), (rubbish[:40], answer[:200])
    assert ask(server)[0].status == 200


def test_the_command_serves_until_interrupted(going: Store) -> None:
    process = subprocess.Popen(
        command("serve", str(going.folder), "--port", "0", "--token", "--json"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ},
    )  # fmt: skip
    assert process.stderr and process.stdout
    line = process.stderr.readline()
    assert "?token=" in line, line
    port, token = int(line.split(":")[2].split("/")[0]), line.split("token=")[1].split()[0]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/api/run.json", headers={"Authorization": f"Bearer {token}"})
    assert json.loads(connection.getresponse().read())["counts"]["completed"] == 6
    connection.close()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert json.loads(rest) == {"run": str(going.folder), "url": f"http://127.0.0.1:{port}/"}


def test_wrong_use_of_the_command_is_one_line(going: Store, edgenas: Command, tmp_path: Path) -> None:
    found = edgenas("serve", going.folder, "--host", "0.0.0.0")
    assert found.returncode == 2 and found.stderr.count("\n") == 1 and "add --token" in found.stderr
