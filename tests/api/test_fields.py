"""What each field takes and refuses, in one table for every noun; what a PUT clears and never changes; and ids of nothing."""

import pytest
from api.conftest import PATHS, address
from stage import NOWHERE, faults, refusal

DIGEST = "sha256:" + "a" * 64
NEW = {
    "model": {"name": "org/new", "storage_path": "docker.io/org/new"},
    "version": {"model_name": "org/bert", "version": "2", "tag": "v2", "digest": DIGEST},
    "deployment": {"environment": "staging"},
    "key": {"name": "training"},
}
EXACT = {"n": [2**53 + 1, 17976931348623157 * 10**292, 0.1, 1e-300], "b": {"aa": True, "a": None}, "ü": "🙂"}
LINKS = [
    *(
        "http://x",
        "https://x.example/y?z#w",
        "HTTPS://X",
        "http://[::1]:8000/",
        "https://ünï.example:443",
        "http://x:?q",
    ),
    *("http://u:p@x:65535/a:b@c[d]", "https://a_b.example/é"),
]
NO_LINKS = [
    "", "x", "//x", "ftp://x", "javascript:alert(1)", "data:text/html,x", " https://x", "https://", "http:x", "https://x\n",
    "https://host:443:80/x", "https://x:port", "https://x:65536", "https://x:99999/", "https://[::1", "https://::1/", "https://:80",
    "https://x/\njavascript:y", "https://x y", "http://a b", 1, "https://" + "x" * 1_017,
]  # fmt: skip

FIELDS = {
    ("model", "name"): (
        ["a", "9", "org/bert2", "a/b/c/d", "A.b_c-D/x..y", "version", "versionsx/comparer", "new", "x" * 255],
        [
            "", "/a", "a/", "a//b", ".a", "-a", "_a", "a/.b", "a/-b", "a  b", "a\n", "\na", "ä", "a:b", "a@b", "..", "a/../b",
            "-/edit", "versions", "compare", "org/versions", "versions/x", "org/Compare/x", "VERSIONS", "x" * 256, 7, ["a"],
            {"a": 1}, True,
        ],
    ),
    ("model", "description"): (["", "é" * 10_000], ["é" * 10_001, 5]),
    ("model", "storage_path"): (["é" * 1_024], ["", "é" * 1_025, 1]),
    ("model", "repository"): (["org/bert"], ["", "é", "https://ghcr.io/a/b", "ghcr.io/a/", "a//b", "a:", "host:443:80/x"]),
    ("model", "tags"): ([[], ["nlp", "gpu ready"], ["x" * 128]], ["x", [1], [""], ["a", "é"], ["x" * 129], ["a"] * 51]),
    ("model", "metadata"): ([EXACT], [[], "x"]),
    ("version", "metadata"): ([EXACT], [[], "x"]),
    ("version", "tags"): ([[], ["nlp", "gpu ready"], ["x" * 128]], ["x", [1], [""], ["a", "é"], ["x" * 129], ["a"] * 51]),
    ("version", "version"): (
        ["1", "v1.0.0", "latest", "1.0.0+a@b#c?d", "~", "...", "%2F", "x" * 128],
        ["", ".", "..", "a/b", "a b", "1\n", "é", "\x7f", "x" * 129, 1, 1.0, ["1"]],
    ),
    ("version", "tag"): (
        ["a", "_", "V1.0-x_y", "9", "x" * 128],
        ["", ".a", "-a", "a/b", "a:b", "a b", "a+b", "a\n", "é", "x" * 129, 1],
    ),
    ("version", "digest"): (
        [DIGEST],
        ["", "sha256", "sha256:", ":abc", "sha/256:abc", "sha256:a b", "sha256:é", "x:" + "y" * 201, "x:y\n", 1],
    ),
    ("version", "size_bytes"): ([0, 1, 2**53 + 1, 2**63 - 1], [-1, 2**63, 2**64, 10**30, 1e300, 1.5, "1", True, [1], {}]),
    ("version", "release_notes"): (["", "é" * 65_536], ["é" * 65_537]),
    ("version", "ceph_path"): (["é" * 1_024], ["", "é" * 1_025]),
    ("version", "platform"): (["é" * 128], ["", "é" * 129]),
    ("version", "quantization"): (["é" * 128], ["", "é" * 129]),
    ("version", "is_release"): ([True, False], ["true", 1, 0, "yes", []]),
    ("deployment", "environment"): (
        ["a", "9", "A.b_c-D", "x" * 63, "releases", "staging.release", "a/b"],
        ["", ".a", "-a", "_a", "a b", "a//b", "a/live", "é", "a\n", "x" * 64, "release", "Release", "RELEASE", 1, ["a"]],
    ),
    ("deployment", "status"): (["pending", "running", "success", "failed"], ["cancelled", "SUCCESS", "", "done", 1]),
    ("deployment", "metadata"): ([EXACT], [[], "x"]),
    ("deployment", "endpoint_url"): (LINKS, NO_LINKS),
    ("deployment", "log_url"): (LINKS, NO_LINKS),
    ("key", "name"): (["same", "é" * 255], ["", "x" * 256, 1]),
    ("key", "role"): (["viewer", "publisher", "releaser", "admin"], ["root", "ADMIN"]),
    ("key", "expires_at"): (
        ["2999-01-01T00:00:00.000000Z"],
        ["2999-01-01T00:00:00", "2999-01-01", "90d", "2020-01-01T00:00:00Z", 4_000_000_000],
    ),
    ("key", "models"): (
        [None, [], ["*"], ["org/*", "nlp/bert"], ["a*b"], ["x"] * 100],
        ["*", [""], ["/a"], ["a  b"], ["a//b"], [1], ["x" * 256], ["x"] * 101, {}],
    ),
    ("key", "environments"): (
        [None, [], ["staging"], ["a", "b"]],
        ["staging", [""], [".a"], ["a b"], ["*"], [1], ["x" * 64], ["a"] * 101],
    ),
    ("key", "key"): ([], ["cat_x"]),
    ("key", "prefix"): ([], ["cat_12345678"]),
}  # fmt: skip


def cases(index):
    values = [(*field, value) for field, table in FIELDS.items() for value in table[index]]
    return pytest.mark.parametrize(
        ("noun", "field", "value"), values, ids=[f"{n}-{f}-{ascii(v)[:20]}" for n, f, v in values]
    )


def new(noun, release_id, **fields):
    return {**NEW[noun], **({"release_id": release_id} if noun == "deployment" else {}), **fields}


@cases(0)
def test_a_value_is_taken_as_it_was_sent(api, things, noun, field, value):
    made = api.post(PATHS[noun], new(noun, things["version"]["id"], **{field: value}))
    assert made.status_code == 201, made.text
    assert (made.json[field], type(made.json[field])) == (value, type(value))
    if noun != "key":
        assert made.headers["Location"] == address(noun, made.json)
        read = api.get(made.headers["Location"])
        assert (read.data, read.headers["ETag"]) == (made.data, made.headers["ETag"])


@cases(1)
def test_a_value_is_refused_by_its_fields_name(api, noun, field, value):
    assert faults(api.post(PATHS[noun], new(noun, NOWHERE, **{field: value}))) == {field}


def test_a_whole_number_may_be_written_as_a_fraction(api, things):
    size = api.make(PATHS["version"], {**NEW["version"], "size_bytes": 5.0})["size_bytes"]
    assert (size, type(size)) == (5, int)


@pytest.mark.parametrize(
    ("noun", "field", "cleared"),
    [
        *(("model", field, None) for field in ("repository", "description")),
        ("model", "metadata", {}),
        ("model", "tags", []),
        *(("version", field, None) for field in ("release_notes", "ceph_path", "quantization")),
        ("version", "metadata", {}),
        ("version", "tags", []),
        *(("deployment", field, None) for field in ("endpoint_url", "log_url")),
        ("deployment", "metadata", {}),
    ],
)
def test_null_in_a_put_clears_the_field_and_no_other(api, things, noun, field, cleared):
    changed = api.put(address(noun, things[noun]), {field: None}).json
    assert changed == {**things[noun], field: cleared, "updated_at": changed["updated_at"]}


@pytest.mark.parametrize(
    ("noun", "field", "value"),
    [
        ("model", "storage_path", None),
        *(("version", "status", value) for value in (None, "gone", "ACTIVE", "", 1, True)),
        *(("version", "is_release", value) for value in (None, "true", 1, 0, "yes", [])),
        *(("deployment", "status", value) for value in (None, "SUCCESS", "done", "", 1)),
        *(("model", field, 3) for field in ("id", "version_count", "created_at", "x")),
        *(
            ("version", field, "x")
            for field in ("id", "model_id", "model_name", "released_at", "live_in", "auto_build")
        ),
        ("gate", "id", NOWHERE),
    ],
)
def test_a_put_refuses_what_a_field_cannot_be_and_fields_it_does_not_know(api, things, noun, field, value):
    assert faults(api.put(address(noun, things[noun]), {field: value})) == {field}


@pytest.mark.parametrize(
    ("call", "body", "fields"),
    [
        ("POST models", {}, {"name", "storage_path"}),
        ("POST models", {"name": None, "repository": None}, {"name", "storage_path"}),
        ("POST versions", {}, {"model_name", "version", "tag", "digest"}),
        ("POST versions", {"model_name": "a", "version": "1", "tag": "t"}, {"digest"}),
        ("POST versions", {"model_name": "a", "version": "1", "tag": "t", "source": "s"}, {"digest"}),
        ("POST versions", {"model_name": "a", "version": "1", "digest": DIGEST, "source": "s"}, {"tag"}),
        ("POST versions", {"model_name": "a", "version": "1", "tag": "-", "digest": None}, {"tag", "digest"}),
        ("POST versions", {"model_name": "a", "version": None, "tag": "t", "digest": DIGEST}, {"version"}),
        ("POST deployments", {"release_id": None, "environment": None}, {"release_id", "environment"}),
        ("PUT deployments/{deployment}", {"log_url": "x", "metadata": []}, {"log_url", "metadata"}),
        ("PUT deployments/{deployment}", {"environment": "staging"}, {"environment"}),
        ("PUT deployments/{deployment}", {"release_id": "x", "force": "yes"}, {"release_id", "force"}),
        ("PUT deployments/{deployment}", {"live": False, "ended_at": None}, {"live", "ended_at"}),
        ("POST versions/{version}/promote", {"reason": 1}, {"reason"}),
        ("POST versions/{version}/demote", {"reason": "x" * 10_001}, {"reason"}),
        ("POST versions/{version}/promote", {"raeson": "x"}, {"raeson"}),
        ("POST versions/{version}/approvals", {}, {"target"}),
        ("POST versions/{version}/approvals", {"target": None}, {"target"}),
        ("POST versions/{version}/approvals", {"target": "a b", "comment": 1}, {"target", "comment"}),
        ("POST versions/{version}/approvals", {"target": "release", "comment": "x" * 10_001}, {"comment"}),
        ("POST versions/{version}/approvals", {"target": "release", "by": "me"}, {"by"}),
        ("POST versions/{version}/comments", {}, {"text"}),
        ("POST versions/{version}/comments", {"text": "", "asks_for_changes": "yes"}, {"text", "asks_for_changes"}),
        ("POST versions/{version}/comments", {"text": "x" * 2_001, "created_by": "me"}, {"text", "created_by"}),
        ("POST environments/dev/rollback", {}, {"model_name", "reason"}),
        ("POST environments/dev/rollback", {"model_name": "org/bert", "reason": None}, {"reason"}),
        ("POST environments/dev/rollback", {"model_name": "org/bert", "reason": ""}, {"reason"}),
        (
            "POST environments/dev/rollback",
            {"model_name": "a  b", "reason": 1, "to": 1},
            {"model_name", "reason", "to"},
        ),
        ("POST environments/dev/rollback", {"model_name": "a", "reason": "x", "force": True}, {"force"}),
    ],
)
def test_every_missing_or_bad_field_of_a_body_is_named(api, things, call, body, fields):
    method, path = call.format(**{noun: thing.get("id") for noun, thing in things.items()}).split()
    assert faults(api.request(method, f"/api/v1/{path}", body)) == fields


@pytest.mark.parametrize(
    ("noun", "fields"),
    [
        ("model", ["name"]),
        ("version", ["version", "tag", "digest", "source", "size_bytes", "platform"]),
        ("gate", ["kind"]),
    ],
)
def test_what_never_changes_is_refused_by_name_whatever_is_sent(api, things, noun, fields):
    thing = things[noun]
    for field in fields:
        for value in ("org/other", thing[field], 7, None):
            answer = api.put(address(noun, thing), {field: value, "model": "y"} if noun == "gate" else {field: value})
            assert faults(answer) == {field}
            assert "never changes" in answer.json["errors"][field][0].lower()
    assert faults(api.put(address(noun, thing), dict.fromkeys(fields, "x"))) == set(fields)
    assert thing in api.get(PATHS[noun]).json


@pytest.mark.parametrize("thing_id", [NOWHERE, "no-uuid", "1", NOWHERE + "0"])
def test_what_is_not_there_is_a_404(api, thing_id):
    reads = [
        "models/{}",
        "models/{}/versions",
        "versions/{}",
        "versions/{}/deployments",
        "versions/{}/gates?target=release",
        "versions/{}/comments",
    ]
    calls = [("GET", path) for path in [*reads, "deployments/{}"]]
    calls += [("PUT", f"{noun}/{{}}") for noun in ("models", "versions", "deployments", "gates")]
    calls += [("DELETE", f"{noun}/{{}}") for noun in ("models", "versions", "gates", "api-keys")]
    calls += [("POST", f"versions/{{}}/{verb}") for verb in ("promote", "demote", "approvals", "comments")]
    for method, path in calls:
        posted = {"approvals": {"target": "release"}, "comments": {"text": "x"}}.get(path.rsplit("/")[-1], {})
        body = {"PUT": {}, "POST": posted}.get(method)
        assert refusal(api.request(method, "/api/v1/" + path.format(thing_id), body)) == "not-found", (method, path)


@pytest.mark.parametrize("release_id", [NOWHERE, "no-uuid", "", NOWHERE + "0", "the model's"])
def test_an_id_of_nothing_in_a_body_is_a_404(api, things, release_id):
    release_id = things["model"]["id"] if release_id == "the model's" else release_id
    assert refusal(api.post(PATHS["deployment"], {"release_id": release_id, "environment": "e"})) == "not-found"


TIMES = {
    "versions": ("created_after", "created_before"),
    "audit-logs": ("since", "until"),
    "environments/production/live": ("at",),
}


@pytest.mark.parametrize("time", ["2026-11-23T10:15:30", "2026-11-23", "yesterday", "", "2026-13-01T00:00:00Z"])
def test_a_time_without_a_zone_is_refused(api, time):
    api.put("/api/v1/environments/production", {})
    for path, names in TIMES.items():
        for name in names:
            assert faults(api.get(f"/api/v1/{path}", query_string={name: time})) == {name}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("versions?is_relase=true", "is_relase"),
        ("versions?is_release=true&is_release=true", "is_release"),
        ("versions?is_release=maybe", "is_release"),
        ("versions?is_release=", "is_release"),
        ("versions?status=gone", "status"),
        ("versions?metadata=x", "metadata"),
        ("versions/latest?model_name=org/bert&order=newest", "order"),
        ("versions/latest?model_name=org/bert&is_release=1", "is_release"),
        ("versions/latest?model_name=org/bert&limit=1", "limit"),
        ("versions/latest", "model_name"),
        ("deployments?live=yes", "live"),
        ("deployments?status=done", "status"),
        ("deployments?env=x", "env"),
        ("audit-logs?actoin=x", "actoin"),
        ("audit-logs?action=a&action=b", "action"),
        ("audit-logs?resource_id=1", "resource_id"),
        ("environments/dev/live?when=now", "when"),
        ("live?at=2026-01-01T00:00:00Z", "at"),
        ("versions?model_id=none", "model_id"),
        ("versions?created_after=0001-01-01T00:00:00%2B14:00", "created_after"),
        ("versions?created_before=9999-12-31T23:59:59-14:00", "created_before"),
    ],
)
def test_a_query_with_a_typo_never_returns_everything(api, things, query, field):
    assert faults(api.get(f"/api/v1/{query}")) == {field}
