"""What each part needs of the settings, checked: rules, certificates, addresses, secrets. ValueError in one line."""

import secrets
import ssl
from importlib.resources import files
from urllib.parse import urlsplit

from diagnostics.catalogue import Catalogue
from diagnostics.faults import load_faults
from diagnostics.rule_file import RuleSet, load_default_rules
from gateway.firmware.images import ImageStore
from gateway.firmware.s3 import Bucket, S3Shelf
from gateway.ingest.adapters import load_adapter
from gateway.ingest.endpoint.limits import EndpointSettings, Rate, for_guests
from gateway.ingest.mqtt_client import BrokerAddress
from gateway.made_once import made_once
from gateway.rules.book import SHIPPED, Base, base_of
from gateway.rules.files import read_rule_files, rule_text
from gateway.settings import BrokerMqtt, EmbeddedMqtt, Settings
from gateway.web.parts import WebSettings


def load_rules(settings: Settings, catalogue: Catalogue) -> RuleSet:
    """The shipped rules, or those of the files that the settings name. ValueError in one line."""
    if not settings.rules:
        return load_default_rules(catalogue)
    return read_rule_files(settings.rules, catalogue, load_faults())


def rule_base(settings: Settings) -> Base:
    """The same rules as their authors wrote them. ValueError in one line."""
    if not settings.rules:
        return base_of((files("diagnostics") / "default_rules.toml").read_text(encoding="utf-8"), SHIPPED)
    return base_of("\n".join(map(rule_text, settings.rules)), ", ".join(str(path) for path in settings.rules))


def endpoint_settings(mqtt: EmbeddedMqtt) -> EndpointSettings:
    """What the endpoint needs of the settings. ValueError in one line for certificates that cannot be used."""
    tls = None
    if mqtt.tls_certificate and mqtt.tls_key:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            tls.load_cert_chain(mqtt.tls_certificate, mqtt.tls_key)
            if mqtt.client_ca:
                tls.load_verify_locations(mqtt.client_ca)
                tls.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:
            raise ValueError(f"mqtt: {mqtt.tls_certificate}, {mqtt.tls_key}: {error}") from None
    rate = Rate(mqtt.messages_per_second, int(mqtt.messages_per_second * 20))
    settings = EndpointSettings(
        host=mqtt.host, port=mqtt.port, tls=tls, max_connections=mqtt.max_connections, device_rate=rate
    )
    return for_guests(settings, mqtt.closed_topics) if mqtt.guests else settings


def broker_address(broker: BrokerMqtt) -> BrokerAddress:
    """What the client of an existing broker needs of the settings."""
    parts = urlsplit(broker.url)
    secure = parts.scheme == "mqtts"
    try:
        tls = ssl.create_default_context(cafile=broker.ca_file) if secure else None
    except OSError as error:
        raise ValueError(f"broker.ca_file: {broker.ca_file}: {error}") from None
    return BrokerAddress(
        parts.hostname or "",
        parts.port or (8883 if secure else 1883),
        broker.client_id,
        broker.username,
        broker.password.get_secret_value(),
        tls,
        receive_maximum=broker.receive_maximum,
        adapters=tuple(load_adapter(name) for name in broker.adapters),
    )


def base_url(settings: Settings) -> str:
    """How people and devices reach us."""
    return settings.http.base_url or f"http://{settings.http.host}:{settings.http.port}"


def image_store(settings: Settings) -> ImageStore:
    """Images in `data_dir`, or whole ones in a bucket. ValueError in one line where the extra is not installed."""
    s3, shelf = settings.s3, None
    if s3.bucket:
        keys = (s3.access_key.get_secret_value(), s3.secret_key.get_secret_value())
        shelf = S3Shelf(Bucket(s3.bucket, s3.prefix, s3.endpoint, s3.region, *keys, allow_http=s3.allow_http))
    return ImageStore(settings.data_dir / "images", web_secret(settings), base_url(settings), shelf)


def web_settings(settings: Settings, secret: bytes) -> WebSettings:
    """What pages need."""
    http = settings.http
    return WebSettings(
        secret,
        base_url(settings),
        secure_cookies=http.secure_cookies,
        support_contact=http.support_contact,
        company=http.company,
        trusted_proxies=http.trusted_proxies,
    )


def web_secret(settings: Settings) -> bytes:
    """What signs forms and addresses of images: set, or made once."""
    key = settings.session_key.get_secret_value().encode()
    return key or made_once(settings.data_dir / "session.key", lambda: secrets.token_hex(32).encode())
