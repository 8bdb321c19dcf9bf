"""Schemas of the messages that MLflow's clients send to a registry, version 2.0. Unknown fields are ignored."""

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, pre_load, validate

from catapult.contract.versions import notes_field, source_field
from catapult.rules.mlflow_stages import ALL, named

MOST_MODELS, MOST_VERSIONS = 1_000, 200_000
REQUIRED: dict[str, Any] = {"required": "Missing value for this required parameter."}


class Message(Schema):
    """A message. `null` means the same as leaving the field out."""

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def drop_nulls(self, data: Any, **_: Any) -> Any:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class Number(fields.Integer):
    """A number as JSON or, as 64-bit numbers are sent, as text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, bool | float):
            raise self.make_error("invalid", input=value)
        return int(super()._deserialize(value, attr, data, **kwargs))


class Stage(fields.String):
    """A stage by its name, case ignored."""

    default_error_messages = {  # noqa: RUF012 - as marshmallow declares it
        "unknown": f"Invalid Model Version stage: {{stage}}. Value must be one of {', '.join(ALL)}."
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        stage = named(text)
        if stage is None:
            raise self.make_error("unknown", stage=text[:80])
        return stage


def needed() -> fields.String:
    return fields.String(
        required=True, validate=validate.Length(1, error="Must not be empty."), error_messages=REQUIRED
    )


def version_number() -> Number:
    rule = validate.Range(1, 2**31 - 1, error="Must be the number of a version, from 1.")
    return Number(
        required=True, validate=rule, error_messages={**REQUIRED, "invalid": "Must be the number of a version."}
    )


def max_results(default: int, most: int) -> Number:
    rule = validate.Range(1, most, error=f"It must be a positive integer, at most {most}.")
    return Number(load_default=default, validate=rule, error_messages={"invalid": "It must be a positive integer."})


class Tag(Message):
    key = needed()
    value = fields.String(load_default="")


class Named(Message):
    """The name of a model."""

    name = needed()


class NewModel(Named):
    description = fields.String()
    tags = fields.List(fields.Nested(Tag))


class Rename(Named):
    new_name = needed()


class Description(Named):
    description = fields.String(load_default="")


class SetTag(Named):
    key = needed()
    value = fields.String(load_default="")


class TagKey(Named):
    key = needed()


class Latest(Named):
    stages = fields.List(Stage())


class Search(Message):
    filter = fields.String(load_default="")
    order_by = fields.List(fields.String(), load_default=list)
    page_token = fields.String(load_default="")


class ModelSearch(Search):
    max_results = max_results(100, MOST_MODELS)


class VersionSearch(Search):
    max_results = max_results(10_000, MOST_VERSIONS)


def of_run() -> fields.String:
    return fields.String(validate=validate.Length(max=2_000, error="Must have at most 2000 characters."))


class NewVersion(Named):
    source = source_field(required=True, error_messages=REQUIRED)
    run_id = of_run()
    run_link = of_run()
    model_id = of_run()
    description = notes_field()
    tags = fields.List(fields.Nested(Tag))


class Numbered(Named):
    """A version by its model's name and its number."""

    version = version_number()


class VersionDescription(Numbered, Description):
    pass


class SetVersionTag(Numbered, SetTag):
    pass


class VersionTagKey(Numbered, TagKey):
    pass


class Transition(Numbered):
    stage = Stage(required=True, error_messages=REQUIRED)
    archive_existing_versions = fields.Boolean(load_default=False)


class Alias(Named):
    """An alias of a model."""

    alias = needed()


class SetAlias(Numbered, Alias):
    """An alias, and the version that it is to point at."""
