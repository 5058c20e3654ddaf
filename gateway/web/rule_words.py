"""A rule in plain words: what it looks at, when it fires and recovers, every number with its unit."""

from collections.abc import Iterator
from dataclasses import dataclass

from diagnostics.rule_parts import Guard, Sign, Step
from diagnostics.rules import Baseline, Count, Forecast, Frozen, Level, Peer, Rule, Signature, Silence, StateIs
from gateway.web import labels
from gateway.web.knowledge import Knowledge
from gateway.web.language import _, language, n_

DAY = 86_400.0
UNITS = ((DAY, "d"), (3600.0, "h"), (60.0, "min"))


@dataclass(frozen=True, slots=True)
class StepWords:
    """One severity: entered `past` its limit, left `again` past its clear level."""

    severity: str
    past: str
    again: str


def number(value: float) -> str:
    """A number as exactly as the rule says it, in the reader's way of writing."""
    text = f"{value:,.12g}"
    return (text.translate(str.maketrans(",.", ".,")) if language() == "id" else text).replace("-", "−")


def _with_unit(know: Knowledge, metric: str, value: float) -> str:
    unit = know.unit(metric)
    return f"{number(value)}\u00a0{unit}" if unit else number(value)


def span(seconds: float) -> str:
    """A time as exactly as a rule says it: 15 minutes, 1.5 days."""
    for size, unit in UNITS:
        count = seconds / size
        if count >= 1 and (10 * count).is_integer():
            return _of(count, unit)
    return _of(seconds, "s")


def _of(count: float, unit: str) -> str:
    whole = int(count) if count == 1 else 2  # 1.5 days are several
    words = {
        "d": n_("%(size)s day", "%(size)s days", whole, size=number(count)),
        "h": n_("%(size)s hour", "%(size)s hours", whole, size=number(count)),
        "min": n_("%(size)s minute", "%(size)s minutes", whole, size=number(count)),
        "s": n_("%(size)s second", "%(size)s seconds", whole, size=number(count)),
    }
    return words[unit]


def times_over(count: float) -> str:
    """How often: 3 times."""
    return n_("%(size)s time", "%(size)s times", 1 if count == 1 else 2, size=number(count))


def _so_many(rule: Rule, count: int) -> str:
    """So many of what the rule is judged with: reports, hourly samples, complete days or other cycles."""
    if isinstance(rule, Forecast) and not rule.exact and rule.cycle_s != DAY:
        return n_("%(num)s cycle of %(span)s", "%(num)s cycles of %(span)s", count, span=span(rule.cycle_s))
    if (isinstance(rule, Forecast) and not rule.exact) or (isinstance(rule, Level) and rule.of != "value"):
        return n_("%(num)s complete day", "%(num)s complete days", count)
    if isinstance(rule, Peer | Baseline | Frozen) or (isinstance(rule, Level) and rule.relative):
        return n_("%(num)s hourly sample", "%(num)s hourly samples", count)
    return n_("%(num)s report", "%(num)s reports", count)


def kind_words(kind: str) -> str:
    """What a kind of rule is called."""
    return {
        "level": _("level"),
        "count": _("count"),
        "state": _("state"),
        "forecast": _("forecast"),
        "baseline": _("unlike its past"),
        "peer": _("unlike its peers"),
        "frozen": _("stands still"),
        "silence": _("silence"),
        "signature": _("signature"),
    }.get(kind, kind)


def amount(rule: Rule, know: Knowledge, value: float) -> str:
    """A limit of the rule with the unit of its measure."""
    match rule:
        case Level(relative="usual"):
            return _("%(size)s × its usual", size=number(value))
        case Level() if rule.per:
            return number(value)
        case Level():
            return _with_unit(know, rule.metric, value)
        case Peer(scale="unit"):
            return _with_unit(know, rule.metric, value)
        case Count() if rule.of == "increments":
            return _with_unit(know, rule.metric, value)
        case Count() | Signature():
            return times_over(value)
        case Forecast():
            return _of(value, "d")
        case Frozen():
            return n_("%(size)s hour alike", "%(size)s hours alike", 1 if value == 1 else 2, size=number(value))
        case Silence():
            return _("%(size)s × the device's timeout", size=number(value))
        case _:
            return number(value)


def steps(rule: Rule, know: Knowledge) -> list[StepWords]:
    """Every severity of the rule."""
    if isinstance(rule, StateIs):
        return [StepWords(labels.severity(rule.severity), _("as long as it says so"), "")]
    return [_step(rule, know, step) for step in rule.steps]


def _step(rule: Rule, know: Knowledge, step: Step) -> StepWords:
    limit = amount(rule, know, step.limit)
    clear = amount(rule, know, step.left_at) if step.clear is not None else ""
    if rule.direction == "above":
        past, again = _("from %(limit)s up", limit=limit), clear and _("until %(limit)s or less", limit=clear)
    else:
        past, again = _("from %(limit)s down", limit=limit), clear and _("until %(limit)s or more", limit=clear)
    return StepWords(labels.severity(step.severity), past, again)


def looks_at(rule: Rule, know: Knowledge) -> str:
    """What the rule measures, in one sentence."""
    match rule:
        case Level():
            return _level(rule, know)
        case Count():
            return _("%(what)s in the last %(span)s", what=_counted(rule, know), span=span(rule.window_s))
        case StateIs():
            return _state(rule, know)
        case Forecast(exact=True):
            return _("%(metric)s, as the device says it", metric=know.metric(rule.metric))
        case Forecast():
            metric, limit = know.metric(rule.metric), _with_unit(know, rule.metric, rule.limit)
            return _("in how many days %(metric)s reaches %(limit)s at the earliest", metric=metric, limit=limit)
        case Baseline():
            return _("%(metric)s, unlike its own past at this hour of the week", metric=know.metric(rule.metric))
        case Peer():
            metric, peers = know.metric(rule.metric), rule.min_peers
            if rule.group == "model":
                return _("%(metric)s against at least %(peers)s devices of its model", metric=metric, peers=peers)
            return _("%(metric)s against at least %(peers)s devices of its site", metric=metric, peers=peers)
        case Frozen():
            metric = know.metric(rule.metric) if rule.metric else _("any value")
            return _("%(metric)s, exactly the same again and again", metric=metric)
        case Silence():
            return _("time without a report")
    return _signature(rule, know)


def _level(rule: Level, know: Knowledge) -> str:
    said = know.metric(rule.metric)
    said += {
        "value": "",
        "day_mean": _(", mean of the last complete day"),
        "day_min": _(", lowest of the last complete day"),
        "day_max": _(", highest of the last complete day"),
    }[rule.of]
    if rule.relative:
        said += _(", against its own usual value (%(days)s days)", days=rule.usual_days)
    if rule.per:
        said += _(", divided by %(metric)s", metric=know.metric(rule.per))
    if rule.average_s:
        said += _(", mean over %(span)s", span=span(rule.average_s))
    return said


def _counted(rule: Count, know: Knowledge) -> str:
    if rule.of == "boots":
        return _("restarts (%(reasons)s)", reasons=", ".join(rule.reasons)) if rule.reasons else _("restarts")
    if rule.of == "events":
        return _("messages “%(topic)s”", topic=rule.topic)
    if rule.of == "changes":
        return _("changes of %(state)s", state=know.state(rule.state))
    return _("growth of %(metric)s", metric=know.metric(rule.metric))


def _state(rule: StateIs, know: Knowledge) -> str:
    state = know.state(rule.state)
    if rule.differs_from:
        return _("%(state)s differs from %(other)s", state=state, other=know.state(rule.differs_from))
    if rule.one_of:
        return _("%(state)s is %(words)s", state=state, words=" / ".join(rule.one_of))
    return _("%(state)s is not %(words)s", state=state, words=" / ".join(rule.none_of))


def _signature(rule: Signature, know: Knowledge) -> str:
    signs = " → ".join(_sign(sign, know) for sign in rule.signs)
    return _(
        "in this order within %(span)s: %(signs)s; in the last %(window)s",
        span=span(rule.span_s),
        signs=signs,
        window=span(rule.window_s),
    )


def _sign(sign: Sign, know: Knowledge) -> str:
    if sign.metric:
        return _guard(Guard(metric=sign.metric, above=sign.above, below=sign.below), know)
    if sign.state:
        return _("%(state)s is %(words)s", state=know.state(sign.state), words=" / ".join(sign.one_of))
    if sign.boot:
        return _("restart (%(reasons)s)", reasons=", ".join(sign.reasons)) if sign.reasons else _("restart")
    return _("message “%(topic)s”", topic=sign.event)


def _guard(guard: Guard, know: Knowledge) -> str:
    if guard.state:
        state = know.state(guard.state)
        if guard.known is not None:
            return _("%(state)s is known", state=state) if guard.known else _("%(state)s is unknown", state=state)
        if guard.one_of:
            return _("%(state)s is %(words)s", state=state, words=" / ".join(guard.one_of))
        return _("%(state)s is not %(words)s", state=state, words=" / ".join(guard.none_of))
    metric, said = know.metric(guard.metric), []
    if guard.above is not None:
        said.append(_("%(metric)s above %(limit)s", metric=metric, limit=_with_unit(know, guard.metric, guard.above)))
    if guard.below is not None:
        said.append(_("%(metric)s below %(limit)s", metric=metric, limit=_with_unit(know, guard.metric, guard.below)))
    return _(" and ").join(said)


def facts(rule: Rule, know: Knowledge) -> Iterator[tuple[str, str]]:
    """Everything else that the rule says, as (what, how)."""
    yield _("Looks at"), looks_at(rule, know)
    yield _("Fires after"), _waits(rule, rule.for_s, rule.confirmations)
    yield _("Recovers after"), _waits(rule, rule.clear_for_s, rule.clear_samples)
    if rule.clear_after_s:
        yield _("Not before"), _("%(span)s since it began", span=span(rule.clear_after_s))
    if rule.when:
        yield _("Only while"), "; ".join(_guard(guard, know) for guard in rule.when)
    if rule.applies_to.kinds or rule.applies_to.models:
        kinds = [_kind(it) for it in rule.applies_to.kinds]
        yield _("For"), ", ".join([*kinds, *rule.applies_to.models])
    if rule.settle_s:
        yield _("Not judged"), _("for %(span)s after a restart", span=span(rule.settle_s))
    if rule.site_share_max is not None:
        share = number(100 * rule.site_share_max)
        yield _("Not in the device"), _("when %(share)s %% of its site have the same trouble", share=share)
    if rule.explained_by:
        yield _("Explained by"), ", ".join(rule.explained_by)
    if rule.watch:
        yield _("Opens"), _("no ticket: it is only shown on the device's page")


def _waits(rule: Rule, seconds: float, count: int) -> str:
    if not seconds:
        return _so_many(rule, count)
    return _("%(span)s and %(reports)s", span=span(seconds), reports=_so_many(rule, count))


def _kind(kind: str) -> str:
    return {"camera": _("cameras"), "recorder": _("recorders"), "router": _("routers"), "switch": _("switches")}[kind]
