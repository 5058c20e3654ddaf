"""Faults and metrics in the reader's words, from the diagnostics' catalogues; nothing is ever left without a name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from diagnostics.catalogue import Catalogue
from diagnostics.faults import Faults, Text
from gateway.web.language import _, language


@dataclass(frozen=True, slots=True)
class FaultWords:
    """One fault class in the reader's language; "" where nothing is said. `self_repair`: the customer can fix it."""

    name: str
    notice: str = ""
    cause: str = ""
    support: str = ""
    customer: str = ""
    article: str = ""
    part: str = ""
    repair: str = ""
    self_repair: bool = False


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The two catalogues, and `reasons`: the rules' reasons in Indonesian by the English ones, as they are now.

    Words come in the language of the request.
    """

    faults: Faults = field(default_factory=dict)
    catalogue: Catalogue = field(default_factory=lambda: Catalogue(metric={}))
    reasons: Callable[[], Mapping[str, str]] = dict

    def fault(self, fault_class: str) -> FaultWords:
        """The words of a class."""
        if fault_class == "REPORTED":
            return FaultWords(name=_("Reported by the customer"))
        found = self.faults.get(fault_class)
        if found is None:
            return FaultWords(name=fault_class)

        def say(text: Text | None) -> str:
            return text.words(language()) if text else ""

        return FaultWords(
            name=say(found.name),
            notice=say(found.notice),
            cause=say(found.cause),
            support=say(found.support),
            customer=say(found.customer),
            article=say(found.article),
            part=say(found.part),
            repair=found.repair,
            self_repair=found.repair == "self",
        )

    def metric(self, name: str) -> str:
        """What people call a metric; one that nobody described is called by its own name."""
        found = self.catalogue.metric.get(name)
        return found.words(language()) if found else name.replace("_", " ")

    def state(self, name: str) -> str:
        """What people call a state."""
        found = self.catalogue.state.get(name)
        return found.words(language()) if found else name.replace("_", " ")

    def unit(self, name: str) -> str:
        """The unit of a metric, "" if it has none."""
        found = self.catalogue.metric.get(name)
        return found.unit if found else ""

    def healthy(self, name: str) -> tuple[float, float] | None:
        """Where a healthy device stays."""
        found = self.catalogue.metric.get(name)
        return found.healthy if found else None

    def amount(self, name: str, value: float | None) -> str:
        """A value with its unit, with as many digits as matter: "61.5 °C", "1 204 GB", "–" for none."""
        if value is None:
            return "–"
        unit = self.unit(name)
        return f"{number(value)}\u00a0{unit}" if unit else number(value)


def number(value: float) -> str:
    """Three significant digits for small numbers, whole ones from 100 on, in the reader's way of writing."""
    size = abs(value)
    digits = 0 if size >= 100 or float(value).is_integer() else 1 if size >= 10 else 2
    text = f"{value:,.{digits}f}"
    if digits:
        text = text.rstrip("0").rstrip(".")
    if language() == "id":
        text = text.translate(str.maketrans(",.", ".,"))
    return text.replace("-", "−")
