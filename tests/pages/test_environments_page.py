import pytest
import stage
from markup import Page, is_whole


def board(response):
    """`{environment: [what its cards say]}`."""
    columns, column = {}, None
    for element in Page(response).elements:
        if element.tag == "h2" and (element.get("id") or "").startswith("env-"):
            column = columns.setdefault(element.text, [])
        elif element.tag == "article" and column is not None:
            column.append(element.text)
    return columns


def fill(sql, models, environments):
    """So many models, each live in each of so many environments; the last model was deployed last."""
    sql(
        "INSERT INTO models (id, name, storage_path)"
        " SELECT md5('m' || n)::uuid, 'org/m' || n, 'x' FROM generate_series(1, :models) AS n",
        models=models,
    )
    sql(
        "INSERT INTO versions (id, model_id, version, tag, digest, platform, status, created_by)"
        " SELECT md5('m' || n)::uuid, md5('m' || n)::uuid, '1.0', 't', 'a:b', 'p', 'active', 'x' FROM generate_series(1, :models) AS n",
        models=models,
    )
    sql(stage.environments(numbered=environments))
    sql(
        "INSERT INTO deployments (id, release_id, model_id, environment, status, deployed_by, deployed_at, live_from)"
        " SELECT gen_random_uuid(), md5('m' || n)::uuid, md5('m' || n)::uuid, 'env-' || e, 'success', 'ci',"
        " now() - interval '1 day' + n * interval '1 second', now() - interval '1 day'"
        " FROM generate_series(1, :models) AS n, generate_series(1, :environments) AS e",
        models=models,
        environments=environments,
    )


@pytest.fixture
def things(api, sql):
    sql(stage.environments("dev", "staging", "production"))
    model = api.model()
    old = api.version(model, "1.0.0", is_release=True)
    api.deployment(old, "Production")
    api.deployment(old, "dev")
    api.deployment(api.version(model, "1.1.0"), "staging")
    api.deployment(api.version(api.model("org/gpt"), "0.1.0"), "dev")


def test_the_board_is_a_column_an_environment_in_the_order_of_a_versions_way(browser, things):
    columns = board(browser.get("/environments"))
    assert list(columns) == ["dev", "staging", "production"]
    assert [card.split()[0] for card in columns["dev"]] == ["org/gpt", "org/bert"]
    [production] = columns["production"]
    assert production.startswith("org/bert 1 behind 1.0.0 release")
    assert "admin-key" in production
    assert "behind" not in columns["staging"][0]


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("publisher", True), ("admin", True)])
def test_who_may_takes_a_version_to_the_next_environment(browser, things, role, may):
    links = [link for link in Page(browser.by(role).get("/environments")).links if link.startswith("/new/deployment")]
    wanted = [
        "/new/deployment?model=org/gpt&version=0.1.0&environment=staging",
        "/new/deployment?model=org/bert&version=1.0.0&environment=staging",
        "/new/deployment?model=org/bert&version=1.1.0&environment=production",
    ]
    assert links == (wanted if may else [])


def test_a_version_that_is_there_already_is_not_taken_to_the_next(browser, api):
    version = api.version(api.model())
    api.deployment(version, "staging")
    assert "/new/deployment" in browser.get("/environments").text or len(board(browser.get("/environments"))) == 1
    api.deployment(version, "production")
    assert "/new/deployment" not in browser.get("/environments").text


def test_what_is_over_leaves_the_board(browser, api, things):
    for deployment in api.get("/api/v1/deployments?environment=staging&live=true").json:
        api.put(f"/api/v1/deployments/{deployment['id']}", {"status": "failed"})
    [model] = [one for one in api.get("/api/v1/models").json if one["name"] == "org/gpt"]
    assert api.delete(f"/api/v1/models/{model['id']}?force=true").status_code == 204
    assert all("org/gpt" not in card for cards in board(browser.get("/environments")).values() for card in cards)


def test_nothing_live_says_what_to_do_next(browser, api):
    api.deployment(api.version(api.model()), status="failed")
    text = browser.get("/environments").text
    assert "Nothing is live yet" in text
    assert "registry.deploy(" in text


def test_a_long_column_ends_with_the_way_to_all_of_it(browser, sql):
    fill(sql, 60, 1)
    response = browser.get("/environments")
    assert len(board(response)["env-1"]) == 40
    assert board(response)["env-1"][0].startswith("org/m60 ")
    assert "40+ models" in response.text
    assert "/environments/env-1" in Page(response).links
    found, address = [], "/environments/env-1"
    while address:
        page = Page(browser.get(address))
        found += [article.text.split()[0] for article in page.all("article")]
        address = page.more
    assert found == [f"org/m{number}" for number in range(60, 0, -1)]


def test_many_environments_have_fewer_cards_each(browser, sql):
    fill(sql, 30, 50)
    columns = board(browser.get("/environments"))
    assert len(columns) == 50
    [each] = {len(cards) for cards in columns.values()}
    assert 3 <= each <= 8


def test_a_short_board_is_whole(browser, sql):
    fill(sql, 40, 4)
    response = browser.get("/environments")
    assert {len(cards) for cards in board(response).values()} == {40}
    assert "All in" not in response.text


def test_one_environment_knows_no_case_and_where_none_ever_was_there_is_no_page(browser, things):
    assert len(Page(browser.get("/environments/PRODUCTION")).all("article")) == 1
    for path in ("/environments/nowhere", "/environments/<b>", "/environments/a%00b", "/environments/nowhere/-/history"):
        response = browser.get(path)
        assert response.status_code == 404, path
        assert "<b>" not in response.text


def test_the_board_asks_for_itself(browser, things):
    element = Page(browser.get("/environments")).one("div", id="board")
    assert (element["hx-get"], element["hx-headers"]) == ("/environments", '{"X-Poll": "1"}')
    part = browser.get("/environments", htmx="board")
    assert part.text.lstrip().startswith('<div id="board"')
    assert not is_whole(part)
    assert part.headers["Vary"] == "HX-Request"
    assert is_whole(browser.get("/environments", htmx="board", headers={"HX-History-Restore-Request": "true"}))


def test_where_a_version_is_live_is_told_in_order_of_rank(browser, api):
    version = api.version(api.model())
    for rank, name in ((3, "alpha"), (1, "zeta"), (2, "production")):
        api.put(f"/api/v1/environments/{name}", {"rank": rank})
        api.deployment(version, name)
    for path in ("/models", "/models/org/bert", "/models/org/bert/versions/1.0.0"):
        chips = [link.text for link in Page(browser.get(path)).all("a") if "chip" in (link.get("class") or "")]
        assert chips[:3] == ["zeta", "production", "alpha"], path
