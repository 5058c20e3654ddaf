"""The gateway's settings: one TOML file, secrets from files or the environment, one readable line a mistake.

Order, later wins: defaults, siaga.toml, a directory of secret files, environment variables (SIAGA_HTTP__PORT=8080).
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from gateway.service_levels import ServiceLevel, ServiceLevels
from gateway.setting_sections import S3, Mail, Port, Section, Webhook
from gateway.tickets.sla import Policy
from gateway.tickets.ticket import Ticket

Seconds = Annotated[float, Field(gt=0)]


class SettingsError(ValueError):
    """Settings that cannot work; the message is one line a mistake and says where and what to do."""


class Http(Section):
    """Pages and API. `metrics_port`: a second listener for /metrics alone (0 = on the main one, staff only)."""

    host: str = "127.0.0.1"
    port: Port = 8080
    base_url: str = ""
    secure_cookies: bool = False
    trusted_proxies: int = Field(default=0, ge=0, le=4)
    support_contact: str = ""
    company: str = "Siaga"
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = 0


class EmbeddedMqtt(Section):
    """Devices connect straight to the gateway.

    With `tls_certificate` and `tls_key` the endpoint speaks TLS; `client_ca` asks for client certificates, whose CN is
    the device id. `guests` lets anyone else in as to any broker, outside the devices' topics and `closed_topics`.
    `websocket` also serves MQTT at /mqtt of the web listener, to programs, pages of ours and of `websocket_origins`.
    """

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 1883
    max_connections: int = Field(default=20000, ge=1)
    messages_per_second: float = Field(default=50, gt=0)  # per device, sustained
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    guests: bool = False
    closed_topics: tuple[str, ...] = ("nosubscribe", "test/nosubscribe")
    websocket: bool = False
    websocket_origins: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.client_ca is not None and self.tls_certificate is None:
            raise ValueError("client_ca needs tls_certificate and tls_key")
        return self


class BrokerMqtt(Section):
    """An existing broker. `url`: mqtt://host:port or mqtts://host:port ("" = none)."""

    url: str = ""
    client_id: str = "siaga-gateway"
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: Path | None = None
    receive_maximum: int = Field(default=2000, ge=1, le=65535)
    adapters: tuple[str, ...] = ()

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname):
            raise ValueError('write it as "mqtt://host:1883" or "mqtts://host:8883"')
        return url


class Database(Section):
    """The relational ledger: sqlite:///file or postgresql://user:password@host/name."""

    url: SecretStr = SecretStr("")

    @field_validator("url")
    @classmethod
    def _known(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text and not text.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError('write it as "sqlite:///path/siaga.db" or "postgresql://user@host/siaga"')
        return url


class HistoryStore(Section):
    """Telemetry history: embedded (a file in `data_dir`) or InfluxDB. The embedded one keeps samples and rollups."""

    kind: Literal["embedded", "influxdb"] = "embedded"
    raw_days: float = Field(default=30, gt=0)
    rollup_days: float = Field(default=400, gt=0)
    max_bytes: int = Field(default=20_000_000_000, ge=10_000_000)
    url: str = "http://127.0.0.1:8086"
    token: SecretStr = SecretStr("")
    org: str = "siaga"
    bucket: str = "siaga"


class Pipeline(Section):
    """Bounds of the path from broker to store. The outbox is what is committed but not yet in the history store."""

    window: int = Field(default=2000, ge=10)
    batch: int = Field(default=500, ge=1, le=5000)
    outbox_max_bytes: int = Field(default=2_000_000_000, ge=1_000_000)
    outbox_max_age_s: Seconds = 7 * 24 * 3600
    names_per_device: int = Field(default=64, ge=0)
    names: int = Field(default=4096, ge=0)


class Firmware(Section):
    """Firmware updates. `director_key`: file with the online Ed25519 key that signs grants (made if absent)."""

    director_key: Path | None = None
    release_keys: Path | None = None
    security_after_support: bool = False


class Noise(Section):
    """The noise budget: a rule of whose judged tickets (`judged` at least, of the last `days`) surely more than this
    `share` were false opens no more of them until a manager restores it.
    """

    share: float = Field(default=0.2, gt=0, le=1)
    judged: int = Field(default=8, ge=1)
    days: float = Field(default=90, gt=0, le=3650)


class Log(Section):
    """`json` for machines, `text` for people."""

    format: Literal["json", "text"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """Everything `siaga run` needs. An object exists only when it can work."""

    model_config = SettingsConfigDict(
        env_prefix="SIAGA_",
        env_nested_delimiter="__",
        secrets_prefix="siaga_",
        secrets_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Path("siaga-data")
    session_key: SecretStr = SecretStr("")
    rules: tuple[Path, ...] = ()
    http: Http = Http()
    mqtt: EmbeddedMqtt = EmbeddedMqtt()
    broker: BrokerMqtt = BrokerMqtt()
    database: Database = Database()
    history: HistoryStore = HistoryStore()
    pipeline: Pipeline = Pipeline()
    mail: Mail = Mail()
    webhook: tuple[Webhook, ...] = ()
    firmware: Firmware = Firmware()
    s3: S3 = S3()
    noise: Noise = Noise()
    service_level: tuple[ServiceLevel, ...] = ()
    log: Log = Log()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env files
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over secret files over the TOML file."""
        # Names of secret files are as in the environment: siaga_broker__password is [broker] password.
        secrets = NestedSecretsSettingsSource(file_secret_settings)
        return (init_settings, env_settings, secrets, TomlConfigSettingsSource(settings_cls))

    @model_validator(mode="after")
    def _a_way_in(self) -> Self:
        if not self.mqtt.enabled and not self.broker.url:
            raise ValueError("no way in: set mqtt.enabled = true or broker.url")
        return self

    @model_validator(mode="after")
    def _each_webhook_once(self) -> Self:
        names = [one.name for one in self.webhook]
        if len(names) != len(set(names)):
            raise ValueError("webhook: each name once, please")
        return self

    @field_validator("service_level")
    @classmethod
    def _each_customer_once(cls, levels: tuple[ServiceLevel, ...]) -> tuple[ServiceLevel, ...]:
        ServiceLevels(levels)
        return levels

    @cached_property
    def _levels(self) -> ServiceLevels:
        return ServiceLevels(self.service_level)

    def policy_for(self, ticket: Ticket) -> Policy | None:
        """What is promised for a ticket that opens now; None: nothing."""
        return self._levels.policy_for(ticket)

    @property
    def database_url(self) -> str:
        """The ledger's URL; a file in `data_dir` by default."""
        return self.database.url.get_secret_value() or f"sqlite:///{self.data_dir / 'siaga.db'}"


def load(path: Path | None = None, secrets_dir: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings. Raises SettingsError, one line a mistake, each naming its key."""
    if path is not None and not path.is_file():
        raise SettingsError(f"{path}: no such file; write one (see docs/configuration.md) or leave -c away")
    if secrets_dir is not None and not secrets_dir.is_dir():
        raise SettingsError(f"{secrets_dir}: no such directory of secrets")

    class FromFile(Settings):
        model_config = SettingsConfigDict(**{**Settings.model_config, "toml_file": path, "secrets_dir": secrets_dir})

    try:
        return FromFile(**overrides)
    except ValidationError as error:
        where = path or "settings"
        raise SettingsError("\n".join(f"{where}: {_line(fault)}" for fault in error.errors())) from None
    except ValueError as error:  # not TOML
        raise SettingsError(f"{path}: not TOML: {error}") from None


def _line(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "settings"
    if fault["type"] == "extra_forbidden":
        return f"{key}: no such setting; remove it or correct its name"
    return f"{key}: {fault['msg'].removeprefix('Value error, ')}"
