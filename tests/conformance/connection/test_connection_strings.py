"""Connection strings: each mistake is one error without secrets."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Final

import pytest

from conformance.connection.client import connect
from conformance.connection.connection_string import parse
from conformance.errors import ConfigurationError, TargetError
from tests.conformance.connection.servers import SECRET

pytestmark = pytest.mark.slow


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
