"""Errors in a filter or a sort order, with their column."""

from typing import Literal

from catapult.errors import Invalid

Parameter = Literal["filter", "sort", "search", "count"]


class Mistake(Exception):
    """An error in a text. `column` counts characters from 1; `unknown` is a name that is not a field."""

    def __init__(self, column: int, problem: str, advice: str, unknown: str = "") -> None:
        super().__init__(problem)
        self.column, self.problem, self.advice, self.unknown = column, problem, advice, unknown


class Misread(Invalid):
    """The 422 for a filter or a sort order. Pages put a caret below `column`, and suggest a field similar to `unknown`."""

    def __init__(self, parameter: Parameter, mistake: Mistake) -> None:
        message = f"{mistake.problem} at column {mistake.column}: {mistake.advice}"
        super().__init__(f"Correct {parameter}: {message}", errors={parameter: [message]})
        self.column, self.unknown = mistake.column, mistake.unknown


class TooSlow(Misread):
    """The 422 for a filter, a sort order, a search or a count that would take PostgreSQL too long."""

    def __init__(self, parameter: Parameter, seconds: float) -> None:
        message = f"Takes more than {seconds:g} s here. {NARROWER[parameter]}"
        Invalid.__init__(self, f"Correct {parameter}: {message}", errors={parameter: [message]})
        self.column, self.unknown = 1, ""


NARROWER: dict[Parameter, str] = {
    "filter": "Name the model, compare numbers and whole values, and use fewer ~.",
    "sort": "Name the model, or sort by created_at.",
    "search": "Search for a longer text, or for the name.",
    "count": "Leave it out, or narrow the list.",
}
