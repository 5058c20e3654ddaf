"""Settings of what reaches outward: mail, webhooks, a bucket. And what every section of the settings shares."""

from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from gateway.notify.grouping import QuietHours
from gateway.notify.signing import secret_of
from gateway.ports.notifications import EVENT_TYPES

Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A table of the file. What it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Mail(Section):
    """SMTP for letters to customers ("" host = none). `quiet`: local hours of each customer ("" = none)."""

    host: str = ""
    port: Port = 587
    username: str = ""
    password: SecretStr = SecretStr("")
    sender: str = "Siaga <siaga@localhost>"
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: Path | None = None
    quiet: str = "21:00-07:00"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if "@" not in parseaddr(self.sender)[1]:
            raise ValueError('sender: write it as "Name <name@example.com>"')
        if self.password.get_secret_value() and not self.username:
            raise ValueError("password needs username")
        if self.username and self.security == "none" and self.host not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError('a password never goes in clear over a network: security = "starttls" or "tls"')
        QuietHours.parse(self.quiet)
        return self


class Webhook(Section):
    """One receiver of events, as the Standard Webhooks specification has it.

    `previous_secret`: signs too while a secret is replaced. `types` and `least_severity` choose events (all by
    default). `allow_private`: the address may be in our own network, and may be http.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    url: str
    secret: SecretStr = SecretStr("")
    secret_file: Path | None = None
    previous_secret: SecretStr = SecretStr("")
    types: tuple[str, ...] = ()
    least_severity: Literal["info", "warning", "high", "critical"] = "info"
    allow_private: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.fragment:
            raise ValueError('url: write it as "https://host/path", without a user or a #part')
        if parts.scheme == "http" and not self.allow_private:
            raise ValueError("url: https, please (http only together with allow_private = true)")
        if bool(self.secret.get_secret_value()) == bool(self.secret_file):
            raise ValueError("secret or secret_file: one of the two (siaga notify secret makes one)")
        if unknown := sorted(set(self.types) - set(EVENT_TYPES)):
            raise ValueError(f"types: {unknown[0]!r} is none; there are {', '.join(EVENT_TYPES)}")
        for text in (self.secret, self.previous_secret):
            if text.get_secret_value():
                secret_of(text.get_secret_value())
        return self


class S3(Section):
    """Whole images in a bucket instead of `data_dir` ("" = no): needs `siaga[s3]`.

    Without keys, those of the environment are taken.
    """

    bucket: str = ""
    prefix: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    access_key: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    allow_http: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        parts = urlsplit(self.endpoint)
        if self.endpoint and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError('endpoint: write it as "https://s3.example.com"')
        if parts.scheme == "http" and not self.allow_http:
            raise ValueError("endpoint: https, please (http only together with allow_http = true)")
        if bool(self.access_key.get_secret_value()) != bool(self.secret_key.get_secret_value()):
            raise ValueError("access_key and secret_key go together")
        return self
