"""Errors in a filter or a sort order, with the column they are at."""

from typing import Literal

from catapult.errors import Invalid

Parameter = Literal["filter", "sort"]


class Mistake(Exception):
    """A part of a text that cannot be used. `column` counts characters from 1; `unknown` is the name of no field."""

    def __init__(self, column: int, problem: str, advice: str, unknown: str = "") -> None:
        super().__init__(problem)
        self.column, self.problem, self.advice, self.unknown = column, problem, advice, unknown


class Misread(Invalid):
    """The 422 for a filter or a sort order. Pages put a caret below `column`, and offer the field that `unknown` is near."""

    def __init__(self, parameter: Parameter, mistake: Mistake) -> None:
        message = f"{mistake.problem} at column {mistake.column}: {mistake.advice}"
        super().__init__(f"Correct {parameter}: {message}", errors={parameter: [message]})
        self.column, self.unknown = mistake.column, mistake.unknown
