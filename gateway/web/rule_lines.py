"""The lines that the rules' own programs say in English, as patterns: for pages to say them in the reader's language.

A line that several patterns fit is told by the first of them. `said` stands for another such line within a line. A test
walks over the sources of these lines: one that is added there must be added here.
"""

from typing import Final


def told(pattern: str) -> str:
    """Marks a pattern for the message catalogue."""
    return pattern


TOML: Final = (
    told("Invalid statement"),
    told("Found invalid character %(what)s"),
    told("Cannot declare %(what)s twice"),
    told("Cannot overwrite a value"),
    told("Expected ']' at the end of a table declaration"),
    told("Expected ']]' at the end of an array declaration"),
    told("Cannot mutate immutable namespace %(what)s"),
    told("Cannot redefine namespace %(what)s"),
    told("Expected '=' after a key in a key/value pair"),
    told("Expected %(what)s"),
    told("Invalid initial character for a key part"),
    told("Unclosed array"),
    told("Duplicate inline table key %(what)s"),
    told("Unclosed inline table"),
    told("Unescaped '\\' in a string"),
    told("Invalid hex value"),
    told("Escaped character is not a Unicode scalar value"),
    told("Unterminated string"),
    told("Illegal character %(what)s"),
    told("Invalid date or datetime"),
    told("Invalid value"),
    told("lists within lists, far too deep: no rule needs that"),
)
"""What the TOML parser says."""

SHAPE: Final = (
    told("%(place)s: is not a known setting here: remove it or correct its spelling"),
    told("%(place)s: is missing: add it"),
    told("%(place)s: must be a finite number"),
    told("%(place)s: must be a number, without quotes"),
    told("%(place)s: must be a whole number, without quotes"),
    told("%(place)s: must be a whole number"),
    told("%(place)s: must be true or false, without quotes"),
    told('%(place)s: must be a text in quotes: "..."'),
    told("%(place)s: must be a list: [...]"),
    told("%(place)s: must be a table: { ... }"),
    told("%(place)s: must be more than %(number)s"),
    told("%(place)s: must be at least %(number)s"),
    told("%(place)s: must be at most %(number)s"),
    told("%(place)s: has letters that cannot stand there: it must fit %(pattern)s"),
    told("%(place)s: '%(tag)s' is none of %(words)s"),
    told("%(place)s: Input should be %(words)s"),
    told("%(place)s: String should have at least %(number)s characters"),
    told("%(place)s: Value should have at least %(number)s items after validation, not %(count)s"),
    told("%(place)s: Value should have at most %(number)s items after validation, not %(count)s"),
    told("severity is one of info, warning, high, critical"),
    told("'%(words)s' is no change: opened, raised or lowered with a severity; recovered, withdrawn"),
    told("per: a ratio of two metrics is judged as value, not by days or against its usual value"),
    told("average_s: only for plain values (a day's mean is of = day_mean)"),
    told("of = %(of)s: give neither metric, topic nor state"),
    told("of = %(of)s: give %(name)s"),
    told("a state rule has exactly one of one_of, none_of, differs_from"),
    told("min_points must not exceed max_points"),
    told("exact: a date needs no from_level"),
    told("steps: a device is silent after 1 timeout, not before"),
    told("signs: a signature has two signs or more"),
    told("steps: give at least one severity step"),
    told("steps: a worse severity needs a limit further %(direction)s; order them from mild to severe"),
    told("steps: clear %(clear)s must not lie %(direction)s its limit %(limit)s"),
    told("steps: the worse severity would outlast the milder one: its clear %(clear)s must not lie beyond %(other)s"),
    told("a guard names one state or one metric"),
    told("a guard on a state has one_of or none_of or known"),
    told("a guard on a metric has above or below"),
    told("a sign is exactly one of metric, state, boot or event"),
    told("a sign on a metric has above or below"),
    told("a sign on a state has one_of"),
)
"""A setting of the wrong shape."""

NAMES: Final = (
    told("metric '%(name)s' is not in the catalogue: correct it or add it to metrics.toml"),
    told("metric '%(name)s' is not in the catalogue"),
    told("state '%(name)s' is not in the catalogue: correct it or add it to metrics.toml"),
    told("state '%(name)s' is never '%(word)s': it is one of %(words)s"),
    told("of = increments needs a counter; '%(name)s' is a gauge: use kind = level"),
    told("limit %(limit)s lies outside the physical range of '%(name)s' (%(low)s to %(high)s)"),
    told("metric '%(name)s' may stand still (frozen is not set in the catalogue)"),
    told("%(number)s characters: a draft has at most %(most)s"),
    told("%(number)s characters: at most %(most)s"),
    told("%(number)s rules: at most %(most)s"),
    told("only [[rule]] tables belong here"),
    told("the name is used twice: rename one of them"),
    told("fault class '%(name)s' has no texts: describe it in faults.toml"),
)
"""Names and numbers that cannot be."""

LINTS: Final = (
    told("example: %(say)s: takes %(number)s reports, at most %(most)s: report less often (every_s)"),
    told("example: %(say)s: %(name)s = %(number)s, but it lies from %(low)s to %(high)s"),
    told("example: %(say)s: expected %(wanted)s; got %(came)s"),
    told("example: %(say)s: %(said)s"),
    told("applies to none of the %(number)s devices here: correct its kinds and models"),
    told("judges nobody yet: none of the %(number)s devices it applies to sends '%(name)s'"),
    told("site_class without site_share_max: say from which share of the site on it is the site's"),
    told("explains itself by way of explained_by: of devices in a chain only the topmost would have a ticket"),
    told("explained_by names no rule '%(name)s': correct it"),
    told("explained_by '%(name)s', which does not watch its site: give that rule a site_share_max"),
    told("explained_by '%(name)s', which judges cameras only: nothing hangs on a camera"),
    told("says the same as rule '%(name)s': drop one"),
    told("contradicts rule '%(name)s': together they always fire"),
    told("contradicts rule '%(name)s': together they fire at every value"),
    told("overlaps rule '%(name)s': same metric, side and limit: drop one"),
    told("would fire on most of the fleet now: %(ill)s of %(judged)s devices: move the limit or add a guard"),
    told("has no example: add one series that fires and one that does not"),
    told("average_s: %(number)s s hold a single report of most devices: leave it out or make it longer"),
    told("waits %(number)s days: most faults are seen by then"),
    told("can never fire: its guard on '%(name)s' ends at %(edge)s, its limit is %(limit)s"),
    told("1.0 is usual: as it stands it fires on every healthy device; turn direction or limit round"),
    told("per: a metric divided by itself is always 1"),
    told("fires without anything having happened: count at least 1"),
    told("can never fire: %(number)s times do not fit into window_s = %(window)s"),
    told("can never fire: %(number)s %(what)s do not fit into window_s = %(window)s"),
    told("can never fire: '%(name)s' never differs from itself"),
    told("would fire on every device: these are all the words of '%(name)s'"),
    told("can never fire: '%(name)s' has no other words"),
    told("'%(name)s' may come after the span has ended: make span_s at least its within_s"),
    told("would fire on most of the fleet: healthy is %(low)s to %(high)s, which lies past limit %(limit)s"),
    told(
        "would fire on most of the fleet: healthy is %(low)s to %(high)s, "
        "the limit is above %(limit)s: move it out of there or add a guard (when)"
    ),
    told(
        "would fire on most of the fleet: healthy is %(low)s to %(high)s, "
        "the limit is below %(limit)s: move it out of there or add a guard (when)"
    ),
    told("can never recover: a healthy device does not reach its clear level %(clear)s: move it into the range"),
    told("limit %(limit)s can never be reached: '%(name)s' goes from %(low)s to %(high)s"),
    told("can never fire in time: from_level %(level)s lies beyond limit %(limit)s"),
    told("looks more than a year ahead: steps are days until the limit"),
    told("would fire on every device again and again: 3 is notable, 7 a ticket; limit %(limit)s"),
    told("would fire on every device: each value is the first of its kind; count at least 2 samples"),
    told("can hardly fire: %(number)s timeouts are months or years of silence"),
    told("%(place)s: who is silent says nothing more: give its time as limit, in timeouts, and remove %(key)s"),
    told("can never fire: who is silent gives no second sample: remove min_samples"),
    told("can never fire: no value of '%(name)s' gives the sign '%(sign)s'"),
    told("limit %(limit)s is the edge of the physical range: it can hardly be reached; move it inward"),
    told("can never fire: no value of '%(name)s' satisfies its guard"),
    told("half of all devices lie on that side of their peers: give a limit away from 0"),
    told("can never fire: its guards on '%(name)s' exclude each other"),
    told("can never fire: its guards on state '%(name)s' exclude each other"),
)
"""Rules that parse and are wrong, or doubtful."""

DEEDS: Final = (
    told("version is still %(number)s: raise it, since tickets quote %(label)s"),
    told("there is no [[rule]] here: begin one"),
    told("stands here twice, first on line %(number)s: rename one of them"),
    told("nothing differs from the rules in force"),
    told("with rule '%(rule)s': %(said)s"),
    told("the rule book is empty: start the gateway once, it writes the rule files' edition"),
    told("rule '%(rule)s' was not there in edition %(number)s: name an edition that has it"),
    told("edition %(number)s says the same as what is in force: nothing to roll back"),
    told("rule '%(rule)s' has no override: it is the file's already"),
    told("rule '%(rule)s' is watched already"),
    told("rule '%(rule)s' is not watched: it opens tickets already"),
    told("rule '%(rule)s' still names it (explained_by): change that rule first"),
    told("rule '%(rule)s' is deleted already"),
    told("%(days)s days: give more than 0 and at most %(most)s"),
    told("no device, model or site is like '%(pattern)s'"),
    told("%(number)s backtests are waiting: try again when one is done"),
    told("it was cancelled"),
    told("it failed: %(what)s"),
    told("the rules were changed meanwhile: edition %(number)s is in force now"),
    told(
        "%(false)s of %(judged)s judged tickets in %(days)s days were false "
        "(%(low)s to %(high)s %%); the budget is %(share)s %%"
    ),
    told("to edition %(number)s: %(why)s"),
    told("to edition %(number)s"),
    told("%(where)s: rule '%(rule)s': %(said)s"),
    told("rule '%(rule)s': %(said)s"),
    told("line %(number)s: %(said)s"),
    told("warning: %(said)s"),
    told("%(place)s: %(said)s"),
)
"""What people cannot do, or did."""

EVIDENCE: Final = (
    told("%(said)s It comes and goes."),
    told("Rule %(label)s: %(reason)s"),
    told("In %(number)s days at the earliest."),
    told("In order: %(signs)s (%(number)s times)."),
    told("%(number)s away from its peers."),
    told("%(number)s on the scale of surprise."),
    told("%(count)s of %(all)s devices."),
    told("%(count)s devices beyond the limit."),
    told("The same trouble on %(count)s devices of the site: its cause is not in them."),
    told("No further %(fault)s on a device that took %(release)s for %(days)s days."),
    told(
        "%(fault)s at %(count)s sites within %(days)s days of taking %(release)s, "
        "%(expected)s expected from the model's other devices (chance %(chance)s): %(named)s."
    ),
)
"""Why a ticket opened."""

REASONS: Final = (
    told("first episode"),
    told("out of warranty and contract"),
    told("after reopen window"),
    told("after closing"),
    told("came back"),
    told("came back after part replaced"),
    told("another episode"),
    told("worse"),
    told("worse after solving"),
    told("better"),
    told("late data"),
    told("partly recovered"),
    told("recovered"),
    told("never was"),
    told("fixed remotely"),
    told("fixed on site"),
    told("part replaced"),
    told("no fault found"),
    told("customer cause"),
    told("duplicate"),
    told("update window"),
    told("update failed"),
)
"""Named reasons in a ticket's history."""

LINES: Final = (*TOML, *SHAPE, *NAMES, *LINTS, *DEEDS, *EVIDENCE, *REASONS)
