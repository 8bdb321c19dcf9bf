"""Lists: every row once, whoever writes meanwhile, by `Link` headers, and hand-made pages by `offset` and `page`."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from stage import counted, links

from catapult.extensions import db

LISTS = [
    *("/api/v1/models", "/api/v1/versions", "/api/v1/deployments", "/api/v1/api-keys", "/api/v1/audit-logs"),
    *("/api/v1/gates", "/api/v1/environments", "/api/v1/live", "/api/v1/people", "/api/v1/images"),
]
GATE = {"target": "release", "kind": "approved"}
AN_EXAMPLE_EACH = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

FILL = """
INSERT INTO versions (id, model_id, version, number, tag, digest, platform, status, created_by, metadata, created_at,
    updated_at)
SELECT gen_random_uuid(), :model, :prefix || n, last_number + n, 't', 'sha256:x', 'linux/amd64', 'active', 'x',
       CAST(:metadata AS jsonb), now() - make_interval(mins => n / 3), now()
FROM models, generate_series(1, :count) AS n WHERE models.id = :model
"""
COUNT = "UPDATE models SET version_count = version_count + :count, last_number = last_number + :count WHERE id = :model"


def fill(app, model, count, *, prefix="", metadata=None):
    """That many versions; always three at one time, so that the id has to decide between them."""
    with app.app_context():
        values = {"model": model["id"], "count": count, "prefix": prefix, "metadata": json.dumps(metadata or {})}
        db.session.execute(text(FILL), values)
        db.session.execute(text(COUNT), values)
        db.session.commit()


def ids(rows):
    return [row["id"] for row in rows]


@pytest.fixture
def versions(api, app):
    """A model's 60 versions as the whole list has them."""
    model = api.model()
    fill(app, model, 60)
    return api.get("/api/v1/versions?limit=1000").json


def test_a_walk_gives_every_row_once_in_order(api, versions):
    assert api.walk("/api/v1/versions?limit=7") == versions
    assert len(set(ids(versions))) == 60
    assert [row["created_at"] for row in versions] == sorted((row["created_at"] for row in versions), reverse=True)


def test_a_walk_neither_skips_nor_repeats_while_rows_arrive(api, app, versions):
    model = {"id": versions[0]["model_id"]}
    arrived = iter(range(1_000))

    def arrive():
        api.version(model, f"new-{next(arrived)}")

    assert api.walk("/api/v1/versions?limit=7", between=arrive) == versions


def test_a_walk_goes_on_where_the_last_row_of_a_page_was_deleted(api, versions):
    first = api.get("/api/v1/versions?limit=10")
    assert api.delete(f"/api/v1/versions/{first.json[-1]['id']}").status_code == 204
    rest = api.walk(links(first)["next"])
    assert ids(first.json + rest) == ids(versions)


@AN_EXAMPLE_EACH
@given(sizes=st.lists(st.integers(1, 25), min_size=1, max_size=6))
def test_a_walk_of_any_page_sizes_is_the_whole_list(api, versions, sizes):
    rows, cursor, turn = [], "", 0
    while cursor is not None:
        response = api.get(f"/api/v1/versions?limit={sizes[turn % len(sizes)]}{cursor}")
        assert len(response.json) <= sizes[turn % len(sizes)]
        rows += response.json
        turn += 1
        following = links(response).get("next")
        cursor = following and "&cursor=" + parse_qs(urlsplit(following).query)["cursor"][0]
    assert rows == versions


@AN_EXAMPLE_EACH
@given(size=st.integers(1, 70), offset=st.integers(0, 70))
def test_an_offset_is_a_slice_of_the_whole_list(api, versions, size, offset):
    page = api.get(f"/api/v1/versions?limit={size}&offset={offset}")
    assert page.json == versions[offset : offset + size]
    assert ("next" in links(page)) == (offset + size < 60)


@AN_EXAMPLE_EACH
@given(cursor=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60))
def test_no_cursor_of_ones_own_making_is_taken(api, cursor):
    response = api.get("/api/v1/models", query_string={"cursor": cursor})
    assert response.status_code == 422
    assert "cursor" in response.json["errors"]


@pytest.mark.parametrize(
    "path",
    [
        *LISTS,
        *("/api/v1/models/{model}/versions", "/api/v1/versions/{version}/deployments"),
        *("/api/v1/environments/production/live", "/api/v1/environments/production/live?at={live_from}"),
    ],
)
def test_every_list_is_walked_by_its_links_newest_first(api, path):
    for n in range(5):
        model = api.model(f"org/m{n}")
        version = api.version(model)
        live_from = api.deployment(version)["live_from"]
        api.make("/api/v1/api-keys", {"name": "x"})
        api.make("/api/v1/gates", {**GATE, "model": f"x{n}"})
        api.make("/api/v1/people", {"name": "Dana"})
        for verb in ("promote", "demote"):
            api.post(f"/api/v1/versions/{version['id']}/{verb}")
    for n in range(5):
        api.version(model, f"2.{n}")
        api.deployment(version, f"e{n}", status="failed")
    path = path.format(model=model["id"], version=version["id"], live_from=live_from)
    query = "&" if "?" in path else "?"
    whole = api.get(f"{path}{query}limit=1000").json
    assert len(whole) >= 5
    assert api.walk(f"{path}{query}limit=2") == whole
    assert api.get(f"{path}{query}limit=1&count=true").headers["X-Total-Count"] == str(len(whole))
    if path != "/api/v1/environments":
        times = {"live": "model_name", "deployments": "deployed_at", "decisions": "at"}
        by = next((by for noun, by in times.items() if noun in path), "created_at")
        assert whole == sorted(whole, key=lambda row: row[by], reverse=True)


@pytest.mark.parametrize(
    "path",
    ["/api/v1/models?tag=ä b", "/api/v1/versions?tag=t&is_release=false", "/api/v1/versions?model_name=ORG/bert"],
)
def test_a_link_keeps_the_filters(api, app, path):
    model = api.model()
    fill(app, model, 4)
    for n in range(3):
        api.model(f"org/{n}", tags=["a b"])
    path = path.replace("ä b", "a b")
    response = api.get(f"{path}&limit=1")
    asked = parse_qs(urlsplit(path).query)
    for url in links(response).values():
        assert asked.items() <= parse_qs(urlsplit(url).query).items()
    assert api.walk(f"{path}&limit=1") == api.get(path).json


def test_first_leads_back_to_the_beginning_from_anywhere(api, versions):
    response = api.get("/api/v1/versions?limit=5&offset=20")
    following = api.get(links(response)["next"])
    for page in (response, following):
        assert api.get(links(page)["first"]).json == versions[:5]


def test_the_last_page_has_no_next(api, versions):
    assert links(api.get("/api/v1/versions?limit=60")).keys() == {"first"}
    assert links(api.get("/api/v1/versions?limit=59")).keys() == {"first", "next"}


def test_an_empty_list_is_a_page_too(api):
    response = api.get("/api/v1/deployments?count=true")
    assert (response.json, response.headers["X-Total-Count"], links(response).keys()) == ([], "0", {"first"})


@pytest.mark.parametrize(
    ("query", "rows"), [("", 100), ("?size=110", 110), ("?limit=110&size=110", 110), ("?limit=1000", 120)]
)
def test_a_page_has_a_hundred_rows_when_not_asked_for_more(api, app, query, rows):
    fill(app, api.model(), 120)
    assert len(api.get(f"/api/v1/versions{query}").json) == rows


@pytest.mark.parametrize(("query", "first"), [("page=1&limit=20", 0), ("page=3&size=20", 40), ("page=4&limit=20", 60)])
def test_pages_are_counted_from_one(api, versions, query, first):
    assert api.get(f"/api/v1/versions?{query}").json == versions[first : first + 20]


def test_an_offset_goes_ten_thousand_rows_deep(api):
    for query in ("offset=10000", "page=101&limit=100"):
        assert api.get(f"/api/v1/versions?{query}").status_code == 200


REFUSED = {
    "limit": ("0", "1001", "-1", "ten", "1.0", "", "+1", "%D9%A1", "99999999999999999999"),
    "size": ("0", "1001", "6&limit=5"),
    "offset": ("-1", "10001"),
    "page": ("0", "102&limit=100", "10000&limit=1000", "1&offset=0"),
    "count": ("yes",),
    "cursor": ("", "forged"),
}


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("field", REFUSED)
def test_a_part_of_a_list_that_cannot_be_is_refused(api, path, field):
    for value in REFUSED[field]:
        response = api.get(f"{path}?{field}={value}")
        assert (response.status_code, field in response.json["errors"]) == (422, True), value


@pytest.fixture
def following(api, versions):
    """The address of a second page."""
    return links(api.get("/api/v1/versions?limit=5&is_release=false"))["next"]


@pytest.mark.parametrize("other", ["offset=0", "page=1", "offset=5", "page=2"])
def test_a_cursor_goes_with_neither_offset_nor_page(api, following, other):
    response = api.get(f"{following}&{other}")
    assert response.status_code == 422
    assert other.partition("=")[0] in response.json["errors"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("is_release=false", "is_release=true"),
        ("is_release=false", "x=1"),
        ("is_release=false&", ""),
        ("is_release=false", "is_release=false&tag=t"),
        ("/api/v1/versions", "/api/v1/models"),
        ("/api/v1/versions", "/api/v1/deployments"),
    ],
)
def test_a_cursor_of_another_query_is_refused(api, following, old, new):
    assert old in following
    assert api.get(following.replace(old, new)).status_code == 422


@pytest.mark.parametrize("at", range(0, 80, 7))
def test_a_forged_cursor_is_refused(api, following, at):
    cursor = parse_qs(urlsplit(following).query)["cursor"][0]
    at %= len(cursor) - 1  # the last character of base64 may carry bits that mean nothing
    forged = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
    response = api.get("/api/v1/versions", query_string={"limit": 5, "is_release": "false", "cursor": forged})
    assert (response.status_code, list(response.json["errors"])) == (422, ["cursor"])


def test_a_cursor_goes_with_another_limit(api, versions, following):
    assert ids(api.get(following.replace("limit=5", "limit=9")).json) == ids(versions[5:14])


@pytest.mark.parametrize("path", LISTS)
def test_the_total_comes_only_when_asked_for(api, path):
    assert "X-Total-Count" not in api.get(path).headers
    assert "X-Total-Count" not in api.get(f"{path}?count=false").headers
    assert "X-Total-Count" in api.get(f"{path}?count=true").headers


def test_the_total_is_of_the_filtered_list_and_not_of_the_page(api, app, versions):
    api.version({"id": versions[0]["model_id"]}, "other", tag="other")
    assert api.get("/api/v1/versions?tag=t&count=true&limit=5").headers["X-Total-Count"] == "60"
    assert api.get("/api/v1/versions?tag=t&count=true&page=2&limit=50").headers["X-Total-Count"] == "60"
    assert api.get("/api/v1/versions?tag=none&count=true").headers["X-Total-Count"] == "0"


def test_a_page_ends_at_8_mib_and_the_walk_goes_on(api, app):
    fill(app, api.model(), 150, metadata={"blob": "x" * 65_000})
    first = api.get("/api/v1/versions?limit=1000")
    assert 100 < len(first.json) < 150
    assert 7 << 20 < len(first.data) <= 8 << 20
    rest = api.walk(links(first)["next"])
    assert len({*ids(first.json), *ids(rest)}) == len(first.json) + len(rest) == 150


def test_a_page_of_a_thousand_costs_no_more_statements_than_one_of_ten(api, app):
    fill(app, api.model(), 1_100)
    api.get("/api/v1/versions")
    with counted(app) as statements:
        assert len(api.get("/api/v1/versions?limit=1000").json) == 1_000
    assert len(statements) <= 3
