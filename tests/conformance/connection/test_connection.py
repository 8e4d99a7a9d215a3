"""Servers that cannot be used: each is reported in one line, without secrets."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from pymongo import MongoClient
from pymongo.errors import (
    BulkWriteError,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from conformance.connection import unreachable
from conformance.connection.client import connect, failure, greet, in_words
from conformance.embedded.mongod import find_mongod
from conformance.embedded.server import EmbeddedServer
from conformance.errors import TargetError
from tests.conformance.connection.servers import SECRET, Authority
from tests.conformance.embedded.processes import eventually

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def mongod(folder: Path, *flags: str) -> Iterator[int]:
    """A server with these flags; yields its port."""
    folder.mkdir()
    port = free_port()
    command = [str(find_mongod()), "--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1",
               "--wiredTigerCacheSizeGB", "0.25", "--nounixsocket", *flags]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert eventually(lambda: listens(port))
        yield port
    finally:
        process.terminate()
        process.wait(30)


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[dict[str, int]]:
    """Servers that require TLS, each with another certificate, by name."""
    place = tmp_path_factory.mktemp("encrypted")
    certificates = {
        "good": authority.issue("good"),
        "other host": authority.issue("other", host="db.example.net"),
    }
    with ExitStack() as stack:
        ports = {}
        for name, certificate in certificates.items():
            flags = ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(certificate)]
            flags += ["--tlsCAFile", str(authority.file), "--tlsAllowConnectionsWithoutCertificates"]
            ports[name] = stack.enter_context(mongod(place / name.replace(" ", "-"), *flags))
        flags = ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(certificates["good"])]
        ports["mutual"] = stack.enter_context(mongod(place / "mutual", *flags, "--tlsCAFile", str(authority.file)))
        # MongoDB does not start with such a certificate; it expires while the server runs.
        ports["expired"] = stack.enter_context(tls_listener(authority.issue("expired", days=-1)))
        yield ports


@contextmanager
def tls_listener(certificate: Path) -> Iterator[int]:
    """A TLS listener that sends nothing; yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with suppress(OSError):
                    context.wrap_socket(plain, server_side=True).close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.fixture(scope="module")
def replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("set"), cache_gb=0.25, linger=0.2) as server:
        yield server


def greeting(uri: str) -> str:
    """Return the error line of a connection, or the server's version."""
    with connect(uri, "--uri", serverSelectionTimeoutMS=1500) as client:
        try:
            return greet(client, uri)
        except TargetError as error:
            assert "\n" not in str(error)
            return str(error)


TLS_MISTAKES: Final = {
    "no tls": ("good", "", "the server accepts only encrypted connections; add tls=true"),
    "unknown authority": ("good", "tls=true", "comes from an authority that is not trusted; name the authority's"
                          " certificate as tlsCAFile"),
    "wrong authority": ("good", "tls=true&tlsCAFile={other}", "comes from an authority that is not trusted"),
    "expired": ("expired", "tls=true&tlsCAFile={ca}", "has expired; renew it"),
    "other host": ("other host", "tls=true&tlsCAFile={ca}", "is for another address; write the name that the"
        " certificate"),
    "no client certificate": ("mutual", "tls=true&tlsCAFile={ca}", "it may ask for a client certificate"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", TLS_MISTAKES)
def test_invalid_tls_setting_is_reported(
    encrypted: dict[str, int], authority: Authority, tmp_path: Path, mistake: str
) -> None:
    server, options, message = TLS_MISTAKES[mistake]
    other = Authority(tmp_path, "other-authority")
    options = options.format(ca=authority.file, other=other.file)
    line = greeting(f"mongodb://127.0.0.1:{encrypted[server]}/?directConnection=true&{options}".rstrip("&"))
    assert message in line
    assert line.startswith(f"no server answers at mongodb://127.0.0.1:{encrypted[server]}/")


def test_valid_tls_settings_connect(encrypted: dict[str, int], authority: Authority) -> None:
    version = greeting(f"mongodb://127.0.0.1:{encrypted['good']}/?tls=true&tlsCAFile={authority.file}")
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    client = authority.issue("client")
    mutual = f"mongodb://127.0.0.1:{encrypted['mutual']}/?tls=true&tlsCAFile={authority.file}"
    assert re.fullmatch(r"\d+\.\d+\.\d+", greeting(f"{mutual}&tlsCertificateKeyFile={client}"))


def test_invalid_option_for_a_replica_set_is_reported(replica_set: EmbeddedServer) -> None:
    plain = replica_set.uri.split("?")[0]
    with MongoClient[dict[str, Any]](replica_set.uri) as client:
        name = client.admin.command("hello")["setName"]
    assert greeting(f"{plain}?replicaSet=wrong").endswith(
        f": the replica set is named {name}, not wrong; write replicaSet={name}"
    )
    assert greeting(f"{plain}?replicaSet=wrong&directConnection=true").endswith(f"write replicaSet={name}")
    assert greeting(f"{plain}?replicaSet={name}&readPreference=secondary").endswith(
        ": readPreference=secondary, but no secondary answers; write readPreference=secondaryPreferred"
    )
    assert greeting(f"{plain}?tls=true&directConnection=true").endswith(
        ": the server does not encrypt its connections; remove tls=true, or switch TLS on there"
    )


def test_replica_set_name_for_a_standalone_server_is_reported(tmp_path: Path) -> None:
    with mongod(tmp_path / "standalone") as port:
        assert "replicaSet=rs0, but the server is not a member of a replica set; remove it" in greeting(
            f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
        )
    with mongod(tmp_path / "empty", "--replSet", "rs0") as port:
        assert "the server belongs to a replica set that is not initiated; run rs.initiate() on it" in greeting(
            f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
        )


def test_unreachable_members_are_reported(replica_set: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, name = unreachable._ask, "mongo1.invalid:27017"

    def renamed(*arguments: Any) -> Mapping[str, Any] | None:
        answer = ask(*arguments)
        return answer if answer is None else {**answer, "hosts": [name], "primary": name}

    monkeypatch.setattr(unreachable, "_ask", renamed)
    monkeypatch.setattr(unreachable, "_answers", lambda _, address: address != name)
    uri = replica_set.uri.split("?")[0]
    assert unreachable.why_unreachable(uri) == (
        f"the replica set names its members {name}, which this machine cannot reach; add directConnection=true, or make"
        " these names known here"
    )


def test_server_that_is_not_mongodb_is_reported() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = one.getsockname()[1]
        assert "does not answer as MongoDB does; check host and port" in greeting(f"mongodb://127.0.0.1:{port}/")
    assert f"nothing listens at 127.0.0.1:{port}; check host and port, and that the server runs" in greeting(
        f"mongodb://127.0.0.1:{port}/"
    )
    assert "the host name nosuch.invalid is not known; check the name and the network" in greeting(
        "mongodb://nosuch.invalid/"
    )


@pytest.mark.server
def test_missing_privilege_is_reported_without_the_reply_of_the_server(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path, cache_gb=0.25, auth=True, linger=0.2) as server:
        with MongoClient[dict[str, Any]](server.uri) as admin:
            admin["shop"].command("createUser", "clerk", pwd=SECRET, roles=[{"role": "read", "db": "elsewhere"}])
        port = server.uri.rsplit(":", 1)[1].split("/")[0]
        address = f"127.0.0.1:{port}/?directConnection=true"
        clerk = f"mongodb://clerk:{SECRET}@{address}&authSource=shop"
        with MongoClient[dict[str, Any]](clerk) as client, pytest.raises(OperationFailure) as refused:
            client["shop"]["orders"].find_one()
        line = str(failure(refused.value, clerk, "shop"))
        assert "the user is not authorized in the database shop; " in line
        assert "rejects the user name or password" in greeting(f"mongodb://clerk:wrong@{address}&authSource=shop")
        assert greeting(f"mongodb://{address}").endswith(
            ": the server asks for a user name and a password; write mongodb://user:password@host/"
        )
    for text in (line, in_words(refused.value)):
        assert "lsid" not in text
        assert "clusterTime" not in text
        assert SECRET not in text


# Words for errors of the driver


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ServerSelectionTimeoutError("any text, Topology Description: <...>"), "no server that fits answered in time"),
        (NetworkTimeout("any text"), "it did not answer in time"),
        (OperationFailure("any", 8, {"errmsg": "bad: { lsid: 1 }", "code": 8}), "refused with error 8"),
        (OperationFailure("any", 8, {"errmsg": "cannot do it", "code": 8}), "cannot do it"),
        (OperationFailure("any, full error: {...}", 8, None), "error 8"),
        (BulkWriteError({"writeErrors": [{"errmsg": "too large", "code": 10334}]}), "too large"),
    ],
)
def test_driver_error_is_reworded(error: Exception, words: str) -> None:
    assert in_words(error) == words
