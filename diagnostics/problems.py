"""One-line errors for people who write rules, fault classes or catalogues: which entry, what is wrong, what to do."""

from pydantic import ValidationError


class RuleFileError(ValueError):
    """A file of rules, fault classes or metrics cannot be used. The message is one readable line."""


_SAID = {
    "unexpected_keyword_argument": "is not a known setting here: remove it or correct its spelling",
    "missing_argument": "is missing: add it",
    "missing": "is missing: add it",
}


def first_problem(problem: ValidationError) -> str:
    """The first mistake of a validation as "place: what to do" in one line."""
    mistake = problem.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in mistake["loc"])
    said = _SAID.get(mistake["type"], mistake["msg"].removeprefix("Value error, "))
    return f"{place}: {said}" if place else said
