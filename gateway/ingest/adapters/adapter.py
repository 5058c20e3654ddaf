"""The adapter files, parsed: which topics, whose device, which JSON pointer becomes which metric or state."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

FOLDER: Final = Path(__file__).parent
Pointer = Annotated[str, Field(pattern=r"^(/[^/]*)*$", max_length=200)]
Places = Annotated[tuple[Pointer, ...], BeforeValidator(lambda said: (said,) if isinstance(said, str) else said)]
"""One pointer, or several of which the first that is there counts."""
MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]


class AdapterError(ValueError):
    """An adapter file that cannot work; one line that names the file and the place."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MetricMap(_Part):
    """Where a number is (RFC 6901), and how it becomes ours: value * scale + offset. `words` maps text to numbers."""

    at: Places = Field(min_length=1)
    scale: float = 1.0
    offset: float = 0.0
    words: Mapping[str, float] = {}


class StateMap(_Part):
    """Where a word is, and how it is said here. Words that are not listed stay as they are."""

    at: Places = Field(min_length=1)
    words: Mapping[str, str] = {}


class MessageMap(_Part):
    """One kind of foreign message.

    `topic` has `{device}` for one level, and `+` for levels that do not matter. `each` is a pointer to an object: every
    member is a device of its own, and `{key}` in `id` its name. `online` and `offline` are words that make the message
    a sign of presence, found at `presence`, or plain text. Several messages may have the same topic.
    """

    topic: str
    id: str
    each: Pointer | None = None
    metrics: Mapping[MetricName, MetricMap] = {}
    states: Mapping[MetricName, StateMap] = {}
    uptime_s: Pointer | None = None
    presence: Pointer | None = None
    online: str = ""
    offline: str = ""

    @field_validator("topic")
    @classmethod
    def _levels(cls, topic: str) -> str:
        if "#" in topic or "+" in re.sub(r"(^|/)\+(?=/|$)", "", topic) or topic.startswith("siaga/"):
            raise ValueError("levels may be {device}, + or plain text; siaga/ is ours")
        return topic

    @property
    def filter(self) -> str:
        """The MQTT topic filter."""
        return "/".join("+" if level == "{device}" else level for level in self.topic.split("/"))

    def device_of(self, topic: str) -> str | None:
        """The `{device}` level of a topic that fits ("" if the pattern has none); None if it does not fit."""
        said, wanted = topic.split("/"), self.topic.split("/")
        if len(said) != len(wanted):
            return None
        device = ""
        for level, pattern in zip(said, wanted, strict=True):
            if pattern == "{device}":
                device = level
            elif pattern not in ("+", level):
                return None
        return device


class _File(_Part):
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    about: str
    source: tuple[Annotated[str, Field(pattern=r"^https://")], ...] = ()
    message: list[MessageMap] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Adapter:
    """One file. `filters` are the topic filters to subscribe to; `source` the pages that document the payloads."""

    name: str
    about: str
    source: Sequence[str]
    messages: Sequence[MessageMap]

    @property
    def filters(self) -> list[str]:
        """Each once, in the file's order."""
        return list(dict.fromkeys(message.filter for message in self.messages))


def shipped() -> list[str]:
    """Names of the adapters that come with Siaga."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_adapter(name: str) -> Adapter:
    """By shipped name or by path. AdapterError in one line."""
    path = FOLDER / f"{name}.toml" if name in shipped() else Path(name)
    if not path.is_file():
        raise AdapterError(f"{name}: no such adapter; shipped are {', '.join(shipped())}")
    try:
        found = _File.model_validate(tomllib.loads(path.read_text()))
    except tomllib.TOMLDecodeError as error:
        raise AdapterError(f"{path}: {error}") from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise AdapterError(f"{path}: {place}: {fault['msg'].removeprefix('Value error, ')}") from None
    return Adapter(found.name, found.about, found.source, tuple(found.message))
