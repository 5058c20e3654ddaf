"""Letters arrive at a real SMTP server: protected, with an id, one thread a ticket; refusals are told apart."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.notify.backoff import Fate
from gateway.notify.mail import Security, message_of, open_mail, payload_of
from gateway.ports.notifications import Delivery, Letter
from tests.gateway.notify.parts import post_office

NOW = 1_795_000_000.0
LETTER = Letter(
    "Kamera kasir: kartu memori aus", "Halo é\n", "<p>Halo é</p>", "https://x.example/mail/toko?sig=1", "ticket.t1"
)


def letter(address: str = "budi@example.com", said: Letter = LETTER) -> Delivery:
    return Delivery("d1", "mail", address, "toko", ("t1",), "ticket.opened", payload_of(said), NOW, next_try=NOW)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "post.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def context_of(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_a_letter_arrives_with_text_html_and_the_headers_that_keep_machines_quiet() -> None:
    async with post_office() as office, open_mail(office.server()) as mail:
        assert (await mail.send(letter(), NOW)).fate is Fate.TAKEN
        (got,) = office.letters
    assert got["From"] == "Siaga <care@siaga.example>"
    assert got["To"] == "budi@example.com"
    assert got["Message-ID"] == "<d1@siaga.example>"
    assert got["References"] == got["In-Reply-To"] == "<ticket.t1@siaga.example>"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["List-Unsubscribe"] == "<https://x.example/mail/toko?sig=1>"
    assert got["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert got["Date"].datetime.timestamp() == NOW
    plain, rich = got.get_body(("plain",)), got.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert plain.get_content().strip() == "Halo é"
    assert rich.get_content().strip() == "<p>Halo é</p>"


async def test_a_repetition_is_the_same_letter() -> None:
    server = await _any_server()
    one, two = message_of(letter(), server), message_of(letter(), server)
    for message in (one, two):
        message.set_boundary("b")
    assert one.as_bytes() == two.as_bytes()


async def _any_server():
    async with post_office() as office:
        return office.server()


async def test_hostile_names_cannot_add_headers_or_receivers() -> None:
    evil = "Kamera\r\nBcc: all@example.com\u2028x"
    async with post_office() as office, open_mail(office.server()) as mail:
        assert (await mail.send(letter(said=Letter(evil, "t", "h", "")), NOW)).fate is Fate.TAKEN
        for address in ("a@b.example\r\nBcc: all@example.com", "nobody", "", "a@b, c@d"):
            assert (await mail.send(letter(address), NOW)).fate is Fate.REFUSED, address
        (got,) = office.letters
    assert got["Bcc"] is None
    assert got["Subject"] == "Kamera Bcc: all@example.com x"


async def test_the_connection_is_protected_and_signed_in(certificate: Path) -> None:
    async with post_office(tls=context_of(certificate), sign_in=True) as office:
        server = office.server(security=Security.STARTTLS, ca_file=certificate, username="siaga", password="right")
        async with open_mail(server) as mail:
            await mail.check()
            assert (await mail.send(letter(), NOW)).fate is Fate.TAKEN
        assert office.was_protected == [True]
        assert office.people == ["siaga"]
        wrong = office.server(security=Security.STARTTLS, ca_file=certificate, username="siaga", password="wrong")
        async with open_mail(wrong) as mail:
            outcome = await mail.send(letter(), NOW)
            assert (outcome.fate, outcome.said[:3]) == (Fate.AWAY, "535")
            with pytest.raises(OSError, match="535"):
                await mail.check()


async def test_a_stranger_and_a_server_without_tls_get_nothing(certificate: Path) -> None:
    async with post_office(tls=context_of(certificate)) as office:
        async with open_mail(office.server(security=Security.STARTTLS)) as mail:
            outcome = await mail.send(letter(), NOW)
            assert (outcome.fate, "certificate" in outcome.said.lower()) == (Fate.AWAY, True)
        assert office.letters == []
    async with post_office() as office:
        async with open_mail(office.server(security=Security.STARTTLS)) as mail:
            assert (await mail.send(letter(), NOW)).fate is Fate.AWAY
        assert office.letters == []


async def test_refusals_are_told_apart() -> None:
    async with post_office() as office, open_mail(office.server()) as mail:
        office.refuse_to = "gone@example.com"
        refused = await mail.send(letter("gone@example.com"), NOW)
        assert (refused.fate, refused.said) == (Fate.REFUSED, "550 no such user")
        office.answers = ["451 greylisted", "554 spam", "421 closing"]
        assert (await mail.send(letter(), NOW)).fate is Fate.LATER
        assert (await mail.send(letter(), NOW)).fate is Fate.REFUSED
        assert (await mail.send(letter(), NOW)).fate is Fate.AWAY
        assert (await mail.send(letter(), NOW)).fate is Fate.TAKEN  # it connects again by itself
        await mail.rest()
        assert (await mail.send(letter(), NOW)).fate is Fate.TAKEN
    async with open_mail(office.server()) as mail:
        assert (await mail.send(letter(), NOW)).fate is Fate.AWAY


async def test_a_ca_file_that_is_none_stops_the_start(tmp_path: Path) -> None:
    async with post_office() as office:
        server = office.server(security=Security.TLS, ca_file=tmp_path / "none.pem")
        with pytest.raises(ValueError, match="ca_file"):
            async with open_mail(server):
                pass
