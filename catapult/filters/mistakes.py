"""Errors in a filter or a sort order, with the column they are at."""

from typing import Literal

from catapult.errors import Invalid

Parameter = Literal["filter", "sort"]


class Mistake(Exception):
    """A part of a text that cannot be used. `column` counts characters from 1."""

    def __init__(self, column: int, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.column, self.problem, self.advice = column, problem, advice


class Misread(Invalid):
    """The 422 for a filter or a sort order. Pages put a caret below `column`."""

    def __init__(self, parameter: Parameter, mistake: Mistake) -> None:
        message = f"{mistake.problem} at column {mistake.column}: {mistake.advice}"
        super().__init__(f"Correct {parameter}: {message}", errors={parameter: [message]})
        self.column = mistake.column
