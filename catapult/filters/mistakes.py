"""What is wrong in a filter or an order, and in which column."""

from typing import Literal

from catapult.errors import Invalid

Parameter = Literal["filter", "sort"]


class Mistake(Exception):
    """Something that cannot be read or meant. `column` counts characters from 1."""

    def __init__(self, column: int, what: str, advice: str) -> None:
        super().__init__(what)
        self.column, self.what, self.advice = column, what, advice


class Misread(Invalid):
    """The refusal of a filter or an order; a caret belongs below `column`."""

    def __init__(self, parameter: Parameter, mistake: Mistake) -> None:
        said = f"{mistake.what} at column {mistake.column}: {mistake.advice}"
        super().__init__(f"Correct {parameter}: {said}", errors={parameter: [said]})
        self.column = mistake.column
