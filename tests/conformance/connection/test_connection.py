"""Connection strings and unusable servers: one line in the project's own words, with the actual cause."""

from __future__ import annotations

import datetime as dt
import re
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pymongo import MongoClient
from pymongo.errors import (
    BulkWriteError,
    NetworkTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from conformance.connection import unreachable
from conformance.connection.client import connect, failure, greet, in_words
from conformance.connection.connection_string import parse
from conformance.embedded.mongod import find_mongod
from conformance.embedded.server import EmbeddedServer
from conformance.errors import ConfigurationError, TargetError
from tests.conformance.embedded.processes import eventually

pytestmark = pytest.mark.slow

SECRET: Final = "hunter2-Zx9"  # pragma: allowlist secret

#: A connection string, and the expected message.
MISTAKES: Final = {
    "garbage": "it does not begin with mongodb:// or mongodb+srv://",
    f"postgres://u:{SECRET}@h/": "it does not begin with mongodb://",
    f"mongodb://u:{SECRET} x@h/": "or holds a space",
    f"mongodb://u:{SECRET}@/:x@h:1/": "hold a character that is not escaped",
    f"mongodb://u:{SECRET}@x@h/": "hold a character that is not escaped",
    f"mongodb://u:{SECRET}/x@h/": "hold a character that is not escaped",
    f"mongodb://u:{SECRET}?x@h/": "hold a character that is not escaped",
    f"mongodb://u:x@y?{SECRET}&z@h/": "hold a character that is not escaped",
    f"mongodb://u:x@y?{SECRET}=1&z@h/": "hold a character that is not escaped",
    f"mongodb://u:{SECRET}%@h/": "hold a character that is not escaped",
    f"mongodb://u:{SECRET}%zz@h/": "hold a character that is not escaped",
    f"mongodb://:{SECRET}@h/": "there is no user name in front of the @",
    f"mongodb://u:{SECRET}@h/?nosuch=1": "'nosuch' is not an option of a connection string; remove it",
    f"mongodb://u:{SECRET}@h/?replicaset=a&retrywrite=true":
        "'retrywrite' is not an option of a connection string; did you mean retryWrites?",
    "mongodb://h/?readPreferance=primary": "did you mean readPreference?",
    "mongodb://h/?tlsCaFiel=x": "did you mean tlsCAFile?",
    "mongodb://h/?tls=yes": "tls: found 'yes'; write true or false",
    "mongodb://h/?tls=": "tls: write true or false",
    "mongodb://h/?tls": "tls has no value, or two; write name=value, joined by &",
    "mongodb://h/?retryWrites=true;w=1": "retryWrites has no value, or two",
    "mongodb://h/?readPreference=secondry":
        "readPreference: found 'secondry'; write primary, primaryPreferred, secondary, secondaryPreferred or nearest"
        " (did you mean secondary?)",
    "mongodb://h/?authMechanism=SCRAM": "authMechanism: found 'SCRAM'; write DEFAULT, SCRAM-SHA-1, SCRAM-SHA-256",
    "mongodb://h/?authMechanism=SCRAM-SHA-256": "authMechanism=SCRAM-SHA-256 needs a user name",
    "mongodb://h/?compressors=gzip": "compressors: found 'gzip'; write snappy, zlib or zstd",
    "mongodb://h/?readConcernLevel=major": "readConcernLevel: found 'major'; write local, available, majority",
    "mongodb://h/?maxPoolSize=many": "maxPoolSize: found 'many'; write a whole number from 0 to",
    "mongodb://h/?connectTimeoutMS=-1": "connectTimeoutMS: found '-1'; write a whole number from 0 to",
    "mongodb://h/?zlibCompressionLevel=10": "zlibCompressionLevel: found '10'; write a whole number from -1 to 9",
    "mongodb://h/?readPreference=nearest&maxStalenessSeconds=5": "maxStalenessSeconds: found '5'; write a whole number",
    "mongodb://h/?readPreferenceTags=east": "readPreferenceTags: found 'east'; write name:value,name:value",
    "mongodb://h/?readPreferenceTags=dc:east": "readPreferenceTags needs another readPreference than primary",
    "mongodb://h/?maxPoolSize=1&minPoolSize=2": "maxPoolSize is less than minPoolSize",
    "mongodb://h/?appName=50%": "appName: a % in its value is not followed by two hexadecimal digits; write %25",
    "mongodb://h/?w=1&w=2": "w is given twice; give it once",
    "mongodb://h/?tls=true&TLS=true": "tls is given twice; give it once",
    "mongodb://h/?w=0": "w=0 waits for no answer",
    "mongodb://h/?tls=true&ssl=false": "tls and ssl contradict each other; give one of them",
    "mongodb://h/?tlsInsecure=true": "tlsInsecure needs an encrypted connection; add tls=true, or remove it",
    "mongodb://h/?tls=true&tlsInsecure=true&tlsAllowInvalidHostnames=true":
        "tlsInsecure includes tlsAllowInvalidHostnames; give one of the two",
    "mongodb://h/?tls=true&tlsCAFile=/nosuch.pem":
        "tlsCAFile: found '/nosuch.pem'; there is no such file; name one that exists",
    "mongodb://h/?tls=true&tlsCAFile=/": "tlsCAFile: found '/'; it is a folder; name a file",
    "mongodb://h/?tls=true&tlsCAFile={empty}": "holds no certificate; name a PEM file of the authority",
    "mongodb://h/?tls=true&tlsCertificateKeyFile={empty}": "does not hold a certificate and its private key (PEM)",
    "mongodb://h/?tls=true&tlsCertificateKeyFile=/nosuch.pem": "tlsCertificateKeyFile: found '/nosuch.pem'",
    "mongodb://h:x/": "a port is not a number from 1 to 65535; write host:27017",
    "mongodb://h:/": "a port is not a number from 1 to 65535",
    "mongodb://h:0/": "a port is not a number from 1 to 65535",
    "mongodb://h:65536/": "the port 65536 does not exist; write a number from 1 to 65535",
    "mongodb://::1:27017/": "a host holds more than one colon; write an IPv6 address in brackets",
    "mongodb://": "it names no host; write mongodb://host:27017/",
    "mongodb:///zava": "it names no host",
    "mongodb://a,,b/": "a host is missing between two commas",
    "mongodb://:27017/": "a host has no name in front of its port",
    "mongodb://h/a b": "or holds a space",
    "mongodb://h/a$b": "the text between / and ? is not a valid database name",
    "mongodb://h/a%zzb": "the text between / and ? is not a valid database name",
    "mongodb://a,b/?directConnection=true": "directConnection=true allows one host only; give one, or remove it",
    "mongodb://h/?srvMaxHosts=2": "srvMaxHosts is only for mongodb+srv://; remove it",
    "mongodb://h/?loadBalanced=true&replicaSet=a": "loadBalanced=true allows one host only and excludes replicaSet",
    f"mongodb+srv://u:{SECRET}@a.b.c:27017/": "mongodb+srv:// allows no port",
    f"mongodb+srv://u:{SECRET}@a.b.c,d.e.f/": "mongodb+srv:// allows one host only",
    "mongodb+srv://127.0.0.1/": "mongodb+srv:// needs the name of a cluster, not an IP address",
    "mongodb+srv:///": "it names no host; write mongodb+srv://cluster.example.net/",
    "mongodb+srv://a.b.c/?directConnection=true": "directConnection=true is not for mongodb+srv://; remove it",
}  # fmt: skip


@pytest.mark.parametrize("uri", MISTAKES)
def test_invalid_connection_string_is_one_error_without_secrets(uri: str, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ConfigurationError) as raised:
        connect(uri.replace("{empty}", str(tmp_path / "empty.pem")), "MONGODB_CONNECTION_STRING")
    line = str(raised.value)
    assert line.startswith("MONGODB_CONNECTION_STRING: not a usable connection string: ")
    assert MISTAKES[uri] in line
    assert "\n" not in line
    assert SECRET not in line


#: Characters of a password that an address must escape; apart, so that no address holds what looks like a credential.
ESCAPED: Final = "p%40ss%3A%2F"
GOOD: Final = (
    "mongodb://h",
    "mongodb://h/",
    "mongodb://h?w=majority",
    "mongodb://h:27018/zava?authSource=admin&w=majority&retryWrites=true&appName=Compass",
    f"mongodb://u:{ESCAPED}@a:1,b:2,c/?replicaSet=rs0&readPreference=secondaryPreferred&readPreferenceTags=dc:a",
    "mongodb://u@h/?authMechanism=GSSAPI&authMechanismProperties=SERVICE_NAME:mongodb&authSource=$external",
    "mongodb://h/?TLS=false&MAXPOOLSIZE=5&readpreference=nearest&maxStalenessSeconds=120",
    "mongodb://[::1]:27017,127.0.0.1/?compressors=zlib,snappy,zstd",
    "mongodb://%2Ftmp%2Fmongodb-27017.sock/?directConnection=true",
    "mongodb://h/?tls=true&tlsAllowInvalidCertificates=true&uuidRepresentation=standard&serverMonitoringMode=poll",
    "mongodb://h/?ssl=true&maxPoolSize=0&minPoolSize=3&readConcernLevel=majority&wTimeoutMS=1000&journal=true",
)


@pytest.mark.parametrize("uri", GOOD)
def test_valid_connection_string_gives_no_warning(uri: str) -> None:
    if "GSSAPI" in uri:
        assert parse(uri).user == "u"
        return
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        connect(uri, "x", connect=False).close()
    assert warned == []


def test_connect_does_not_change_warning_filters_of_other_threads() -> None:
    before = list(warnings.filters)
    seen: list[bool] = []

    def work() -> None:
        for _ in range(40):
            connect("mongodb://h/", "x", connect=False).close()
            seen.append(list(warnings.filters) == before)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert seen == [True] * 160
    assert list(warnings.filters) == before


def test_cluster_unknown_to_dns_is_a_target_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import dns.resolver

    def unknown(*_: object, **__: object) -> None:
        raise dns.resolver.NXDOMAIN

    monkeypatch.setattr(dns.resolver, "resolve", unknown)
    with pytest.raises(TargetError) as raised:
        connect(f"mongodb+srv://u:{SECRET}@nosuch.example.net/", "x")
    assert str(raised.value) == (
        "mongodb+srv://u:***@nosuch.example.net/ is not known: DNS has no usable entry"
        " _mongodb._tcp.nosuch.example.net; check the name of the cluster and the network"
    )


# Servers


class Authority:
    """A certificate authority, and certificates that it signs, as PEM files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed(name, self._key.public_key(), days=10, ca=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, host: str = "127.0.0.1", days: int = 10) -> Path:
        """A certificate with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(host, key.public_key(), days=days, ca=False)
        path = self._folder / f"{name}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return path

    def _signed(self, host: str, key: Any, *, days: int, ca: bool) -> x509.Certificate:
        def named(name: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])

        end = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
        address = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
        return (
            x509.CertificateBuilder()
            .subject_name(named(host))
            .issuer_name(named(self._name))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - dt.timedelta(days=20))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


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
