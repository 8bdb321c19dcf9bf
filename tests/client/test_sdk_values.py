"""Python values on their way to JSON and back: made plain, refused by name, compared, read into records."""

import argparse
import json
import re
from collections import OrderedDict, deque
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from catapult_client.calls import query_string
from catapult_client.plain import plain, same
from catapult_client.record import Record, moment

import catapult
from catapult import AuditEntry, InvalidArgument, Model, Registry, UnexpectedAnswer, Version

numpy = pytest.importorskip("numpy")
NOWHERE = Registry("http://127.0.0.1:1", "key")
VERSION = {"model_name": "a/b", "version": "1", "tag": "t", "digest": "a:b"}


class Level(IntEnum):
    HIGH = 2


class Colour(Enum):
    RED = "red"


class Tensor:
    """Like torch's: a scalar when 0-dimensional, and neither a number nor a sequence to isinstance."""

    def __init__(self, value, *shape):
        self.value, self.shape = value, shape

    def item(self):
        return self.value


class Broken:
    """A foreign class whose attributes cannot be read."""

    @property
    def shape(self):
        return 1 / 0


class BrokenMapping(OrderedDict):
    def items(self):
        raise KeyError("x")


@dataclass
class Config:
    rate: float = 0.1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (numpy.float64(0.5), 0.5),
        (numpy.float32(0.5), 0.5),
        (numpy.int64(7), 7),
        (numpy.bool_(True), True),
        (numpy.str_("x"), "x"),
        (numpy.array(3), 3),
        (numpy.array([0.9]), 0.9),
        (numpy.array([[7]]), 7),
        (Tensor(0.25), 0.25),
        (Tensor(0.25, 1, 1), 0.25),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        ({1: "a", numpy.int64(2): "b", Level.HIGH + 1: "c"}, {"1": "a", "2": "b", "3": "c"}),
        ((1, (2, 3)), [1, [2, 3]]),
        (range(3), [0, 1, 2]),
        (deque([1]), [1]),
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": None}), {"a": None}),
        (Level.HIGH, 2),
        (Colour.RED, "red"),
        (Path("a") / "b", "a/b"),
        (datetime(2026, 5, 3, 12, tzinfo=timezone(timedelta(hours=2))), "2026-05-03T10:00:00.000000Z"),
        (True, True),
        (10**30, 10**30),
    ],
)
def test_what_json_can_hold_in_another_form_is_made_plain(value, expected):
    result = plain(value, "metadata")
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (float("nan"), "leave it out"),
        (float("-inf"), "leave it out"),
        (numpy.float64("nan"), "leave it out"),
        (numpy.float32("inf"), "leave it out"),
        (Tensor(float("nan")), "leave it out"),
        (Tensor([1, 2], 2), "number, text, list or dict"),
        (numpy.zeros(3), "tolist"),
        (numpy.zeros(0), "tolist"),
        (numpy.datetime64("2026-01-01T00:00:00.000000000"), "str(…)"),
        (numpy.timedelta64(1, "s"), "number of seconds"),
        (timedelta(1), "total_seconds"),
        (numpy.dtype("float32"), "str(…)"),
        (numpy.complex128(1j), "real"),
        (Broken(), "raised ZeroDivisionError when it was read"),
        (BrokenMapping(), "raised KeyError when it was read"),
        ({1: 0, "1": 0}, "has the key '1' twice"),
        ({1, 2}, "sorted"),
        (b"x", "decode"),
        (1j, "real"),
        (Decimal(1), "float(…), or str(…) if every digit counts"),
        (date(2026, 1, 1), "isoformat"),
        (datetime(2026, 1, 1), "without a zone"),
        (Config(), "asdict"),
        (argparse.Namespace(a=1), "vars"),
        (print, "number, text"),
        ("a\0b", "U+0000"),
        ("\ud800", "surrogate"),
        (10**400, "float64"),
    ],
)
def test_what_json_cannot_hold_is_refused_by_its_path_with_the_remedy(value, remedy):
    with pytest.raises(InvalidArgument, match=re.escape(remedy)) as caught:
        plain({"eval": [{}, {"f1": value}]}, "metadata")
    assert "metadata.eval[1].f1" in str(caught.value)


@pytest.mark.parametrize("key", [None, True, 0.5, ("a", 1), numpy.float64(1)])
def test_keys_that_are_neither_text_nor_integers_are_refused_and_not_made_text(key):
    with pytest.raises(InvalidArgument, match=r"metadata\.epochs has the key"):
        plain({"epochs": {key: 1}}, "metadata")


def test_what_holds_itself_is_refused():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidArgument, match="contains itself"):
        plain(loop, "metadata")


def test_numbers_are_compared_as_numbers_and_nothing_else_is_bent():
    for there, sent in ((1, 1.0), (10**23, 1e23), (0.1, 0.1), (0, -0.0), ([1, {"a": 2.0}], [1.0, {"a": 2}])):
        assert same(there, sent)
        assert same(sent, there)
    other = [(1, True), (0, False), (1, "1"), (None, 0), ([1], [1, 2]), ({"a": 1}, {}), (10**23, 10**23 + 1)]
    other += [(2**53 + 1, float(2**53)), (10**23 + 1, 1e23)]
    for there, sent in other:
        assert not same(there, sent)
        assert not same(sent, there)
    assert not same(10**400, 1.5)


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ({"a": None}, ""),
        ({"live": True, "is_release": False}, "?live=true&is_release=false"),
        ({"until": datetime(2026, 5, 3, 12, tzinfo=UTC)}, "?until=2026-05-03T12%3A00%3A00.000000Z"),
        ({"since": "2026-05-03T10:00:00Z"}, "?since=2026-05-03T10%3A00%3A00Z"),
        ({"model_id": Model(id="m-1")}, "?model_id=m-1"),
    ],
)
def test_a_parameter_is_written_as_the_contract_has_it(parameters, query):
    assert query_string(parameters) == query


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("list_versions", {"created_after": datetime(2026, 1, 1)}, "without a zone"),
        ("list_audit_logs", {"until": datetime(2026, 1, 1)}, "without a zone"),
        ("create_api_key", {"name": "ci", "expires_at": datetime(2026, 1, 1)}, "without a zone"),
        ("live", {"environment": "production", "at": datetime(2026, 1, 1)}, "at is a datetime without a zone"),
        ("create_version", {"version": "1", "tag": "t", "digest": "a:b"}, "model_name"),
        ("create_version", {**VERSION, "model_id": "m1"}, "model_id"),
        ("create_model", {"name": "a/b", "storage_path": "x", "idempotency_key": ""}, "idempotency_key"),
        ("create_model", {"name": "a/b", "storage_path": "x", "idempotency_key": "two words"}, "idempotency_key"),
        ("create_model", {"name": "a/b", "storage_path": "x", "idempotency_key": "ü"}, "idempotency_key"),
        ("create_model", {"name": "a/b", "storage_path": "x", "idempotency_key": "x" * 256}, "idempotency_key"),
        ("get_model", {"model_id": "m1", "name": "a/b"}, "name"),
        ("get_model", {"name": ""}, "name"),
        ("get_version", {"version_id": "v1", "model_name": "a/b"}, "model_name"),
        ("get_version", {"model_name": "a/b"}, "version"),
    ],
)
def test_arguments_that_cannot_be_sent_are_refused_by_name(method, arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        getattr(NOWHERE, method)(**arguments)


@pytest.mark.parametrize("wrong", [None, "", "myorg/model", "../info", "a b", Model(), 1.5])
@pytest.mark.parametrize("method", ["get_version", "delete_model", "promote_version", "revoke_api_key"])
def test_what_can_be_no_id_is_refused_before_it_becomes_another_address(method, wrong):
    with pytest.raises(InvalidArgument, match="_id is"):
        getattr(NOWHERE, method)(wrong)


@pytest.mark.parametrize("wrong", ["", "a//b", "a/Live", "a/-", "../info", "a b", None, 5, "é", "x" * 64])
def test_what_can_be_no_environment_is_refused_before_it_becomes_another_address(wrong):
    for ask in (
        lambda: NOWHERE.get_environment(wrong),
        lambda: NOWHERE.delete_environment(wrong),
        lambda: NOWHERE.live(wrong),
        lambda: NOWHERE.rollback(wrong, model_name="a/b", reason="x"),
        lambda: NOWHERE.check_gates("v1", wrong),
    ):
        with pytest.raises(InvalidArgument, match="is"):
            ask()


def test_a_record_takes_what_it_knows_and_has_defaults_for_the_rest():
    version = Version.from_json(
        {"id": "v1", "metadata": None, "status": None, "is_release": True, "new_field": 1, "etag": 2}
    )
    assert (version.id, version.metadata, version.status, version.live_in, version.is_release) == (
        "v1",
        {},
        "",
        [],
        True,
    )
    assert version.etag is None
    assert Model.from_json({}) == Model()
    assert len({version, version, Version(id="v1")}) == 2
    with pytest.raises(AttributeError):
        version.id = "other"  # type: ignore[misc]


SAMPLES = {str: "x", int: 3, float: 0.5, bool: True, Any: [1, {"a": None}], datetime: datetime(2026, 5, 3, tzinfo=UTC)}


def sample(kind):
    """A value of that type: a record with every field set, a list or dict of one."""
    if isinstance(kind, type) and issubclass(kind, Record):
        hints = get_type_hints(kind)
        return kind(**{f.name: sample(hints[f.name]) for f in fields(kind) if f.name != "etag"})
    if kind in SAMPLES:
        return SAMPLES[kind]
    if get_origin(kind) is UnionType:
        return sample(get_args(kind)[0])
    inner = sample(get_args(kind)[-1])
    return [inner] if get_origin(kind) is list else {"k": inner}


@pytest.mark.parametrize("kind", sorted(Record.__subclasses__(), key=lambda kind: kind.__name__))
@pytest.mark.parametrize("whole", [True, False])
def test_a_record_becomes_json_and_is_read_again(kind, whole):
    record = sample(kind) if whole else kind()
    text = json.dumps(record.to_dict())
    assert kind.from_json(json.loads(text)) == record
    assert "etag" not in record.to_dict()
    assert set(record.to_dict()) == {f.name for f in fields(kind)} - {"etag"}


def test_a_record_of_the_wrong_shape_is_an_unexpected_answer():
    for body in ({"created_at": "yesterday"}, {"created_at": 5}, {"details": 5}, [], None, "x"):
        with pytest.raises(UnexpectedAnswer):
            AuditEntry.from_json(body)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-11-23T10:15:30.123456Z", 123456),
        ("2026-11-23T10:15:30Z", 0),
        ("2026-11-23t10:15:30.1z", 100000),
        ("2026-11-23 12:15:30.123456789+02:00", 123456),
        ("2026-11-23T10:15:30.5", 500000),
    ],
)
def test_times_are_read_into_aware_datetimes_in_utc(text, microsecond):
    assert moment(text) == datetime(2026, 11, 23, 10, 15, 30, microsecond, tzinfo=UTC)
    assert moment(text).tzinfo is UTC


def test_catapult_hands_on_every_name_of_the_sdk_and_no_other():
    import catapult_client

    assert catapult.__all__ == catapult_client.__all__
    for name in catapult.__all__:
        assert getattr(catapult, name) is getattr(catapult_client, name)
        assert name in dir(catapult)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        catapult.nothing  # noqa: B018
