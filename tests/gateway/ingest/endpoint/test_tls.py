"""TLS: a client certificate is an identity, and an idle connection stays small."""

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

EVERY_LOOP = True


SINCE = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
UNTIL = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


def issue(folder: Path, name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None):
    """A certificate and its key, in `{name}.pem`; self-signed without an issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(SINCE)
        .not_valid_after(UNTIL)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key())
        builder = builder.add_extension(identifier, critical=False)
    else:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return certificate, key


@pytest.fixture
def authority(tmp_path):
    """A folder with ca.pem, localhost.pem, cam-1.pem and, from another authority, thief.pem."""
    ca = issue(tmp_path, "ca")
    for name in ("localhost", "cam-1"):
        issue(tmp_path, name, ca)
    issue(tmp_path, "thief", issue(tmp_path, "other-ca"))
    return tmp_path


def server_side(folder: Path, verify: ssl.VerifyMode = ssl.CERT_OPTIONAL) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "localhost.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = verify
    return context


async def dial(mqtt, broker, folder: Path, version: int, certificate: str | None = None):
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if certificate:
        context.load_cert_chain(folder / f"{certificate}.pem")
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", broker.endpoint.port, ssl=context, server_hostname="localhost"
    )
    return mqtt.Peer(reader, writer, version)


async def test_a_client_certificate_is_the_identity(mqtt, version, authority):
    async with mqtt.serve(authenticate=mqtt.devices, tls=server_side(authority)) as broker:
        peer = await dial(mqtt, broker, authority, version, "cam-1")
        await peer.send(mqtt.connect(version))
        assert (await peer.read())[1][1] == 0
        big = b"x" * 100_000  # more than one TLS record and more than the read buffer of a connection
        await peer.send(mqtt.subscribe(("siaga/v1/cam-1/#", 1), version=version))
        await peer.read()
        await peer.send(mqtt.publish("siaga/v1/cam-1/telemetry", big, 1, 1, version=version))
        assert (await peer.message()).payload == big
        await peer.expect(mqtt.ack(0x40, 1))
        await peer.send(mqtt.publish("siaga/v1/cam-2/telemetry", b"x", 0, version=version))
        await peer.silence()
        assert [m.device_id for m in broker.intake.taken] == ["cam-1", ""]


async def test_a_client_without_a_certificate_needs_a_password(mqtt, version, authority):
    async with mqtt.serve(authenticate=mqtt.devices, tls=server_side(authority)) as broker:
        peer = await dial(mqtt, broker, authority, version)
        await peer.send(mqtt.connect(version))
        assert (await peer.read())[1][1] in (4, 0x86)
        peer = await dial(mqtt, broker, authority, version)
        await peer.send(mqtt.connect(version, username="cam-2", password=b"2-mac"))
        assert (await peer.read())[1][1] == 0


@pytest.mark.parametrize("certificate", [None, "thief"])
async def test_a_certificate_from_elsewhere_is_refused(mqtt, authority, certificate):
    context = server_side(authority, ssl.CERT_REQUIRED) if certificate is None else server_side(authority)
    async with mqtt.serve(authenticate=mqtt.devices, tls=context) as broker:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            peer = await dial(mqtt, broker, authority, 4, certificate)
            await peer.send(mqtt.connect(4))
            await peer.read()
        assert broker.endpoint.sessions == 0


async def test_plain_text_on_the_tls_port_disturbs_nobody(mqtt, version, authority):
    async with mqtt.serve(authenticate=mqtt.devices, tls=server_side(authority)) as broker:
        plain = await broker.dial(version)
        await plain.send(mqtt.connect(version))
        await plain.closed()
        peer = await dial(mqtt, broker, authority, version, "cam-1")
        await peer.send(mqtt.connect(version))
        assert (await peer.read())[1][1] == 0
