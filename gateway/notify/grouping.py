"""When a letter goes out and what is worth being in it. Pure: lines, earlier letters and the time in, a time out.

Three waits keep a storm from becoming a flood: the first event waits half a minute for its companions, the next letter
to the same customer at least five minutes, and after a handful of them within four hours the next waits until those are
over. At night a letter waits for the morning, unless the matter is critical or a person has answered.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.ports.notifications import ASKS, SUPPORT_ENDS, Line

COMPANIONS_S: Final = 30.0
BETWEEN_S: Final = 300.0
SPAN_S: Final = 4 * 3600.0
IN_A_SPAN: Final = 5

TOLD: Final = frozenset(
    {"ticket.opened", "ticket.advised", "ticket.reopened", "ticket.solved", "ticket.replied", ASKS, SUPPORT_ENDS}
)
"""What customers are told. Not what they wrote themselves, nor how our promises stand among ourselves."""


class Wait(Enum):
    """Why a letter does not go out yet."""

    COMPANIONS = "companions"
    BETWEEN = "between_letters"
    ENOUGH = "enough_for_now"
    QUIET = "quiet_hours"
    NOTHING = "goes_out_now"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Local hours in which people sleep; `begins` may be later than `ends` (over midnight)."""

    begins: time
    ends: time

    @classmethod
    def parse(cls, text: str) -> "QuietHours | None":
        """`21:00-07:00`; "" means none. ValueError in one line."""
        if not text:
            return None
        begins, _, ends = text.partition("-")
        try:
            found = cls(time.fromisoformat(begins.strip()), time.fromisoformat(ends.strip()))
        except ValueError:
            raise ValueError(f'{text!r}: write quiet hours as "21:00-07:00", or "" for none') from None
        if found.begins == found.ends:
            raise ValueError(f'{text!r}: quiet hours begin and end at the same time; write "" for none')
        return found

    def over_at(self, now: float, zone: str) -> float:
        """When the night that `now` lies in is over; `now` itself by day."""
        local = datetime.fromtimestamp(now, _zone(zone))
        clock = local.time().replace(tzinfo=None)
        over_midnight = self.begins > self.ends
        inside = (clock >= self.begins or clock < self.ends) if over_midnight else (self.begins <= clock < self.ends)
        if not inside:
            return now
        day = local.date() + timedelta(days=1 if over_midnight and clock >= self.begins else 0)
        return datetime.combine(day, self.ends, local.tzinfo).timestamp()


@dataclass(frozen=True, slots=True)
class Moment:
    """When the next letter may go, and what it waits for."""

    at: float
    wait: Wait


def urgent(line: Line) -> bool:
    """A person has answered, or somebody may lose recordings tonight: this is worth a letter at night."""
    if line.type == "ticket.replied":
        return True
    return line.type in ("ticket.opened", "ticket.reopened") and json.loads(line.payload).get("severity") == "critical"


def next_letter(
    lines: Sequence[Line], mailed_at: Sequence[float], zone: str, quiet: QuietHours | None, now: float
) -> Moment:
    """When to write to a customer for whom these lines wait. `mailed_at`: letters of the last four hours."""
    waits = [Moment(min(line.at for line in lines) + COMPANIONS_S, Wait.COMPANIONS)]
    hurry = any(urgent(line) for line in lines)
    if mailed_at:
        waits.append(Moment(max(mailed_at) + BETWEEN_S, Wait.BETWEEN))
    recent = sorted(at for at in mailed_at if at > now - SPAN_S)
    if len(recent) >= IN_A_SPAN and not hurry:
        waits.append(Moment(recent[-IN_A_SPAN] + SPAN_S, Wait.ENOUGH))
    last = max(waits, key=lambda moment: moment.at)
    if last.at > now:
        return last
    morning = quiet.over_at(now, zone) if quiet and not hurry else now
    return Moment(morning, Wait.QUIET) if morning > now else Moment(now, Wait.NOTHING)


def worth_telling(lines: Sequence[Line]) -> list[Line]:
    """What is left to say: of each ticket the last that happened and every answer of a person, in order of time.

    A fault that came and went while the letter waited is not worth one, unless a person answered in between.
    """
    kept: list[Line] = []
    for ticket_id in dict.fromkeys(line.ticket_id for line in lines):
        ours = [line for line in lines if line.ticket_id == ticket_id]
        if not ticket_id:
            kept += {json.loads(line.payload).get("attempt_id", line.event_id): line for line in ours}.values()
            continue
        answers = [line for line in ours if line.type == "ticket.replied"]
        states = [line for line in ours if line.type != "ticket.replied"]
        came = any(line.type in ("ticket.opened", "ticket.advised", "ticket.reopened") for line in states)
        went = bool(states) and states[-1].type == "ticket.solved"
        kept += answers
        if states and not (came and went and not answers and states[0].type != "ticket.solved"):
            kept.append(states[-1])
    return sorted(kept, key=lambda line: (line.at, line.event_id))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
