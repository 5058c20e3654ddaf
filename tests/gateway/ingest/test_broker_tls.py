"""An existing broker over TLS: what is decrypted and not yet read is seen, though the socket says nothing more."""

import asyncio
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.clock import SystemClock
from gateway.ingest.mqtt_client import BrokerAddress, BrokerClient
from tests.gateway.ingest.test_mqtt_client import Collected, until
from tests.parts.mosquitto import free_port, running_mosquitto

pytestmark = pytest.mark.real
COUNT = 600


def certificate(folder: Path) -> Path:
    """A key and its own certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(3650))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "broker.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


async def test_a_burst_over_tls_is_read_to_its_last_message(tmp_path: Path) -> None:
    pem, port = certificate(tmp_path), free_port()
    listener = f"listener {port} 127.0.0.1\ncertfile {pem}\nkeyfile {pem}\n"
    with running_mosquitto(tmp_path, listener) as broker:
        tls = ssl.create_default_context(cafile=str(pem))
        intake = Collected()
        first = BrokerClient(BrokerAddress("127.0.0.1", port, tls=tls), intake, SystemClock())
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(first.run())
            await until(lambda: not first.trouble)
            running.cancel()
        # While it is away the broker keeps them; then they come in one burst, records behind one another.
        sender = await asyncio.create_subprocess_exec(
            *("mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), "-q", "1", "-l"),
            *("-t", "siaga/v1/cam-1/telemetry"),
            stdin=subprocess.PIPE,
        )
        await sender.communicate(b"".join(b"%04d" % n + b"x" * 400 + b"\n" for n in range(COUNT)))
        client = BrokerClient(BrokerAddress("127.0.0.1", port, tls=tls), intake, SystemClock())
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(client.run())
            await until(lambda: len(intake.messages) >= COUNT)
            intake.acknowledge()
            running.cancel()
    assert [int(message.payload[:4]) for message in intake.messages] == list(range(COUNT))
