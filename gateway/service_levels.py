"""The service levels of the settings: what is promised to which customers, in business time."""

from datetime import date
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from diagnostics.changes import Severity
from gateway.setting_sections import Section
from gateway.tickets.calendar import parse_hours
from gateway.tickets.sla import DEFAULT_TARGETS, Policy, Target
from gateway.tickets.ticket import Ticket

_HOUR_S: Final = 3600.0
Hours = Annotated[float, Field(gt=0, le=10_000)]


class Promise(Section):
    """Business hours until each goal; what is not named is not promised."""

    first_response_h: Hours | None = None
    next_update_h: Hours | None = None
    solution_h: Hours | None = None

    @property
    def target(self) -> Target:
        """The same in seconds."""
        goals = (self.first_response_h, self.next_update_h, self.solution_h)
        return Target(*[None if hours is None else hours * _HOUR_S for hours in goals])


class ServiceLevel(Section):
    """What these customers are promised (no `customers`: all whom no other level names). Severities that are not named
    have the usual targets; `hours` such as "Mon-Fri 08:00-17:00", "" = round the clock.
    """

    name: str = Field(min_length=1, max_length=64)
    customers: tuple[str, ...] = ()
    zone: str = "UTC"
    hours: str = ""
    holidays: tuple[date, ...] = ()
    critical: Promise | None = None
    high: Promise | None = None
    warning: Promise | None = None
    info: Promise | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        parse_hours(self.zone, self.hours, self.holidays)
        return self

    @property
    def policy(self) -> Policy:
        """The promise as tickets keep it."""
        own = {Severity.CRITICAL: self.critical, Severity.HIGH: self.high}
        own |= {Severity.WARNING: self.warning, Severity.INFO: self.info}
        targets = {severity: said.target if said else DEFAULT_TARGETS[severity] for severity, said in own.items()}
        return Policy(self.name, parse_hours(self.zone, self.hours, self.holidays), tuple(targets.items()))


class ServiceLevels:
    """Finds the level of a new ticket's customer. ValueError, one line, where two levels claim the same."""

    def __init__(self, levels: tuple[ServiceLevel, ...]) -> None:
        self._of: dict[str, Policy] = {}
        self._others: Policy | None = None
        if len({level.name for level in levels}) != len(levels):
            raise ValueError("each name once, please")
        for level in levels:
            for customer_id in level.customers:
                if customer_id in self._of:
                    raise ValueError(f"customer {customer_id!r} has two levels")
                self._of[customer_id] = level.policy
            if not level.customers:
                if self._others is not None:
                    raise ValueError("only one level may be without customers: it is for all others")
                self._others = level.policy

    def policy_for(self, ticket: Ticket) -> Policy | None:
        """What is promised for a ticket that opens now; None: nothing."""
        return self._of.get(ticket.customer_id, self._others)
