"""One-line errors for people who write rules, fault classes or catalogues: which file and line, what is wrong, what to
do.
"""

from pydantic import ValidationError


class RuleFileError(ValueError):
    """A file of rules, fault classes or metrics cannot be used. The message is one readable line.

    `said` is the mistake alone; `where` the file, `line` the line of it (0: unknown), `rule` the name of the rule.
    """

    def __init__(self, said: str, *, where: str = "", line: int = 0, rule: str = "") -> None:
        self.said, self.where, self.line, self.rule = said, where, line, rule
        place = f"{where}:{line}" if where and line else where
        super().__init__(": ".join(part for part in (place, rule and f"rule '{rule}'", said) if part))


_SAID = {
    "unexpected_keyword_argument": "is not a known setting here: remove it or correct its spelling",
    "missing_argument": "is missing: add it",
    "missing": "is missing: add it",
    "union_tag_not_found": "is missing: add it",
    "finite_number": "must be a finite number",
    "float_type": "must be a number, without quotes",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false, without quotes",
    "string_type": 'must be a text in quotes: "..."',
    "tuple_type": "must be a list: [...]",
    "dict_type": "must be a table: { ... }",
    "dataclass_type": "must be a table: { ... }",
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}
"""What pydantic calls a bound, its context's key, our words."""


def first_problem(problem: ValidationError) -> str:
    """The first mistake of a validation as "place: what to do" in one line."""
    mistake = problem.errors(include_url=False, include_input=False)[0]
    kind, context = mistake["type"], mistake.get("ctx", {})
    place = ".".join(str(part) for part in mistake["loc"])
    said = _SAID.get(kind, mistake["msg"].removeprefix("Value error, "))
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        said = f"must be {words} {context[key]:.10g}"
    if kind == "string_pattern_mismatch":
        said = f"has letters that cannot stand there: it must fit {context['pattern']}"
    if kind.startswith("union_tag"):
        place = str(context["discriminator"]).strip("'")
    if kind == "union_tag_invalid":
        said = f"'{context['tag']}' is none of {context['expected_tags'].replace(chr(39), '')}"
    return f"{place}: {said}" if place else said
