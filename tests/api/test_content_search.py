"""`filter=` and `sort=` on versions and models, and versions compared, at the API."""

from urllib.parse import urlencode

import pytest
from stage import NOWHERE, counted, links

NAMES = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
SORTED = [
    *("-metadata.accuracy", "metadata.accuracy", "metadata.accuracy,-metadata.loss"),
    *("-metadata.loss,metadata.accuracy,tag", "-metadata.eval.f1", "size_bytes", "-size_bytes,-metadata.accuracy"),
    *("quantization,-created_at", "created_at", "-created_at", "-is_release,version", "-version"),
    *("model_name,-released_at", "metadata.nothing", "release_notes,updated_at"),
]


def asked(path, **query):
    return f"{path}?{urlencode(query)}"


def found(api, path="/api/v1/versions", **query):
    response = api.get(asked(path, **query))
    assert response.status_code == 200, response.text
    return response.json


def names(rows):
    return [row["version"] for row in rows]


@pytest.fixture
def model(api):
    return api.model()


@pytest.fixture
def versions(api, model):
    """Twelve with equal and missing values; accuracy is a text in one and null in another."""
    accuracies = [0.9, 0.95, 0.9, None, 0.7, "0.8", 0.9, "high", 0.99, 0.9, -1, 10**40]
    for place, (name, accuracy) in enumerate(zip(NAMES, accuracies, strict=True)):
        metadata = {"accuracy": accuracy, "loss": place % 3, "eval": {"f1": place / 10}}
        if name == "d":
            metadata = {"eval.f1": 5, "eval": {"f1": "none"}}
        fields = (
            {} if place % 4 == 0 else {"size_bytes": place % 2, "quantization": f"q{place % 3}", "release_notes": "n"}
        )
        api.version(model, name, metadata=metadata, is_release=place % 5 == 0, tag=f"t{place % 2}", **fields)
    return NAMES


def test_a_filter_chooses_by_metadata_and_columns(api, versions):
    assert names(found(api, filter="metadata.accuracy >= 0.95")) == ["l", "i", "b"]
    assert names(found(api, filter='metadata.accuracy >= 0.9 and tag = "t0" and not is_release')) == ["i", "g", "c"]
    assert names(found(api, filter='metadata.accuracy = "0.8" or metadata.accuracy ~ "IG"')) == ["h", "f"]
    assert names(found(api, filter="metadata.eval.f1 > 0.9")) == ["l", "k"]
    assert names(found(api, filter='metadata."eval.f1" exists')) == ["d"]


def test_what_is_not_there_is_neither_above_nor_below(api, versions):
    above = names(found(api, filter="metadata.accuracy > 0.9"))
    assert set(names(found(api, filter="not metadata.accuracy > 0.9"))) == set(versions) - set(above)
    assert names(found(api, filter="not metadata.accuracy exists")) == ["d"]


def test_a_filter_goes_with_the_other_parameters_and_the_count(api, model, versions):
    query = {"filter": "metadata.accuracy >= 0.9", "is_release": "false", "model_name": "ORG/bert", "tag": "t0"}
    assert names(found(api, **query)) == ["i", "g", "c"]
    response = api.get(asked("/api/v1/versions", **query, count="true", limit=1, sort="version"))
    assert (response.headers["X-Total-Count"], len(response.json)) == ("3", 1)
    path = f"/api/v1/models/{model['id']}/versions"
    assert names(found(api, path, filter="metadata.accuracy > 0.9")) == ["l", "i", "b"]


def test_numbers_are_sorted_before_texts_and_those_before_the_rest(api, versions):
    falling = names(found(api, sort="-metadata.accuracy"))
    assert falling == ["l", "i", "b", "j", "g", "c", "a", "e", "k", "h", "f", "d"]
    rising = names(found(api, sort="metadata.accuracy"))
    assert rising == ["k", "e", "j", "g", "c", "a", "b", "i", "l", "f", "h", "d"]
    assert names(found(api, sort="metadata.accuracy,created_at"))[2:6] == ["a", "c", "g", "j"]


RUNS = [321588685835436831, 321588685835436830, 321588685835436832, 5, 0.5]


def test_whole_numbers_of_any_length_are_told_apart(api, model):
    """As floats the first three are the same number."""
    for run in RUNS:
        api.version(model, str(run), metadata={"run_id": run, "of.it": run})
        api.model(f"org/{str(run).replace('.', '-')}", metadata={"run_id": run})
    for path in ("metadata.run_id", 'metadata."of.it"'):
        for operator, chosen in (("=", [0]), ("!=", [1, 2, 3, 4]), (">", [2]), (">=", [0, 2]), ("<", [1, 3, 4])):
            rows = found(api, filter=f"{path} {operator} {RUNS[0]}")
            assert {row["metadata"]["run_id"] for row in rows} == {RUNS[index] for index in chosen}
        for order in (path, f"-{path}"):
            walked = api.walk(asked("/api/v1/versions", sort=order, limit=1))
            numbers = sorted(RUNS, reverse=order != path)
            assert [row["metadata"]["run_id"] for row in walked] == numbers
    highest = found(api, "/api/v1/models", sort="-metadata.run_id", limit=2)
    assert [row["metadata"]["run_id"] for row in highest] == sorted(RUNS, reverse=True)[:2]
    assert len(found(api, "/api/v1/models", filter=f"metadata.run_id > {RUNS[1]}")) == 2


def test_what_is_in_lists_is_found_by_its_position(api, model):
    for number in range(3):
        metrics = [{"type": "accuracy", "value": number / 10}, {"type": f"f{number}", "value": 7}]
        api.version(model, str(number), metadata={"losses": list(range(70)), "results": [{"metrics": metrics}]})
    path = "metadata.results[0].metrics[0].value"
    assert names(found(api, filter=f"{path} >= 0.1")) == ["2", "1"]
    assert names(found(api, filter=f"not {path} >= 0.1 and metadata.losses[3] = 3")) == ["0"]
    assert names(found(api, filter='metadata.results[0].metrics[1].type = "f1"')) == ["1"]
    assert len(found(api, filter="metadata.losses[69] exists and not metadata.losses[70] exists")) == 3
    for order, expected in ((path, ["0", "1", "2"]), (f"-{path}", ["2", "1", "0"])):
        assert names(api.walk(asked("/api/v1/versions", sort=order, limit=1))) == expected
        assert names(found(api, sort=f"metadata.results[0].metrics[1].value,{order}")) == expected


def test_versions_are_sorted_and_compared_as_semver_says(api, model):
    for name in ("1.10.0", "1.9.0", "1.10.0-rc.1", "v2.0.0", "latest"):
        api.version(model, name, tag="t")
    assert names(found(api, sort="version")) == ["1.9.0", "1.10.0-rc.1", "1.10.0", "v2.0.0", "latest"]
    assert names(found(api, sort="-version")) == ["v2.0.0", "1.10.0", "1.10.0-rc.1", "1.9.0", "latest"]
    assert names(found(api, filter='version >= "1.10.0"')) == ["v2.0.0", "1.10.0"]


@pytest.mark.parametrize("order", SORTED)
@pytest.mark.parametrize("chosen", ["", 'tag = "t1" or metadata.loss < 2'])
def test_a_sorted_walk_gives_every_row_once_in_order(api, versions, order, chosen):
    query = {"sort": order, **({"filter": chosen} if chosen else {})}
    whole = found(api, **query, limit=1000)
    assert sorted(names(whole)) == sorted(names(found(api, **{**query, "sort": "created_at"})))
    for limit in (1, 2, 5, 11):
        assert api.walk(asked("/api/v1/versions", **query, limit=limit)) == whole
        assert found(api, **query, limit=limit, offset=3) == whole[3 : 3 + limit]


def test_a_cursor_of_another_order_or_filter_is_refused(api, versions):
    first = api.get(asked("/api/v1/versions", sort="-metadata.accuracy", filter="is_release", limit=1))
    following = links(first)["next"]
    assert api.get(following).status_code == 200
    for old, new in (("-metadata", "metadata"), ("is_release", "not+is_release"), ("sort=-metadata.accuracy&", "")):
        changed = following.replace(old, new)
        assert changed != following
        assert "cursor" in api.get(changed).json["errors"]


def test_versions_are_found_by_their_labels_and_not_by_those_of_the_image(api):
    model = api.model("lab/tagged")
    for version, tags in (("1", ["nlp", "gpu ready"]), ("2", ["vision"]), ("3", [])):
        api.version(model, version, tags=tags)

    def versions(path="/api/v1/versions", **query):
        return [row["version"] for row in found(api, path, **query) if row["model_name"] == "lab/tagged"]

    assert versions(tags="nlp") == versions(tags="gpu ready") == ["1"]
    assert versions(path=f"/api/v1/models/{model['id']}/versions", tags="vision") == ["2"]
    assert versions(tags="NLP") == versions(tags="v1") == versions(tag="nlp") == []
    assert versions(tag="v1") == ["1"]
    assert versions(filter='tags in ("nlp", "vision")') == ["2", "1"]
    assert versions(filter='tags ~ "READY"') == ["1"]
    assert versions(filter='tags != "nlp"') == ["2"]
    assert versions(filter="not tags exists") == ["3"]


def test_models_are_filtered_and_sorted(api):
    first = api.model("org/Bert", tags=["nlp", "gpu"], metadata={"task": "ner", "size": 3}, description="Tags names")
    api.model("org/unet", tags=["vision"], metadata={"size": 20, "a.b": {"c d": 1}})
    api.model("lab/x", metadata={"size": "large"}, repository="ghcr.io/lab/x")
    api.version(first)

    def models(**query):
        return [row["name"] for row in found(api, "/api/v1/models", **query)]

    assert models(filter='tags = "gpu"') == ["org/Bert"]
    assert models(filter='tags in ("gpu", "vision")') == ["org/unet", "org/Bert"]
    assert models(filter='tags ~ "VIS"') == ["org/unet"]
    assert models(filter='tags != "gpu"') == ["org/unet"]
    assert models(filter="not tags exists") == ["lab/x"]
    assert models(filter='name = "ORG/BERT"') == ["org/Bert"]
    assert models(filter='name ~ "org/" and version_count = 0') == ["org/unet"]
    assert models(filter="metadata.size > 2.5", sort="-metadata.size") == ["org/unet", "org/Bert"]
    assert models(filter='metadata."a.b"."c d" = 1') == ["org/unet"]
    assert models(filter='repository exists or latest_version = "1.0.0"') == ["lab/x", "org/Bert"]
    assert models(filter='description ~ "names"') == ["org/Bert"]
    assert models(sort="name") == ["lab/x", "org/Bert", "org/unet"]
    assert models(sort="metadata.size") == ["org/Bert", "org/unet", "lab/x"]
    for order in ("name", "-name", "metadata.size", "-version_count,metadata.task", "repository"):
        whole = found(api, "/api/v1/models", sort=order)
        assert api.walk(asked("/api/v1/models", sort=order, limit=1)) == whole


@pytest.mark.parametrize(
    ("query", "field", "column"),
    [
        ({"filter": "accuracy > 1"}, "filter", 1),
        ({"filter": "metadata.x = gpu"}, "filter", 14),
        ({"filter": ""}, "filter", 1),
        ({"sort": "-accuracy"}, "sort", 2),
        ({"sort": ""}, "sort", 1),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/versions", "/api/v1/models", "/api/v1/images"])
def test_a_mistake_is_a_422_with_its_column(api, path, query, field, column):
    response = api.get(asked(path, **query))
    assert response.status_code == 422
    assert f" at column {column}: " in response.json["errors"][field][0]


def test_the_list_of_no_model_is_not_found_sorted_or_not(api):
    path = f"/api/v1/models/{NOWHERE}/versions"
    assert api.get(asked(path, sort="-metadata.accuracy")).status_code == 404
    assert api.get(asked(path, filter="is_release")).status_code == 404


def test_a_long_text_to_sort_by_makes_no_long_address(api, model):
    for name in "abc":
        api.version(model, name, metadata={"text": name + "é" * 5_000}, release_notes="ש" * 10_000)
    path = asked("/api/v1/versions", sort="metadata.text,release_notes", limit=1)
    assert len(api.get(path).headers["Link"]) < 4_000
    assert names(api.walk(path)) == ["a", "b", "c"]


# --- versions compared ------------------------------------------------------------------------------------------------


def compared(api, *ids):
    return api.get(asked("/api/v1/versions/compare", ids=",".join(ids)))


def test_versions_are_compared_key_by_key(api, model):
    first = api.version(model, "1", metadata={"accuracy": 0.8, "eval": {"f1": 1}, "note": "a", "same": [1]})
    second = api.version(model, "2", metadata={"accuracy": 0.9, "eval": {"f1": 1.0}, "same": [1], "big": 10**40})
    other = api.version(api.model("org/other"), "1", metadata={"note": None})
    response = compared(api.by("viewer"), first["id"], second["id"], other["id"])
    assert response.status_code == 200, response.text
    assert [row["model_name"] for row in response.json["versions"]] == ["org/bert", "org/bert", "org/other"]
    keys = {row["key"]: row for row in response.json["keys"]}
    assert list(keys) == ["accuracy", "big", "eval.f1", "note", "same"]
    assert keys["accuracy"]["cells"] == [
        {"state": "base", "value": 0.8},
        {"state": "changed", "value": 0.9, "difference": 0.1, "percent": 12.5},
        {"state": "gone"},
    ]
    assert (keys["eval.f1"]["path"], keys["eval.f1"]["cells"][1]["state"]) == (["eval", "f1"], "same")
    assert keys["big"]["cells"] == [{"state": "base"}, {"state": "new", "value": 10**40}, {"state": "none"}]
    assert keys["note"]["cells"][2] == {"state": "changed", "value": None}
    assert [row["differs"] for row in keys.values()] == [True, True, True, True, True]


def test_a_difference_that_no_float_holds_is_left_out(api, model):
    first = api.version(model, "1", metadata={"x": -1.7e308, "y": 5e-324})
    second = api.version(model, "2", metadata={"x": 1.7e308, "y": 1e308})
    cells = [row["cells"][1] for row in compared(api, first["id"], second["id"]).json["keys"]]
    assert [sorted(cell) for cell in cells] == [["percent", "state", "value"], ["difference", "state", "value"]]
    assert (float(cells[0]["value"]), cells[0]["percent"], float(cells[1]["difference"])) == (1.7e308, 200, 1e308)


def test_only_two_to_six_ids_are_compared(api, model):
    one = api.version(model)["id"]
    assert compared(api, one, one).status_code == 200
    assert compared(api, *[one] * 6).status_code == 200
    for wrong in ([one], [one] * 7, [""], [one, "x"], [one, one.replace("-", "")], [one, ""], [one, "\x00"]):
        response = compared(api, *wrong)
        assert (response.status_code, list(response.json.get("errors", {}))) == (422, ["ids"]), (wrong, response.text)
    assert "ids" in api.get("/api/v1/versions/compare").json["errors"]


def test_a_version_that_is_not_there_is_not_compared(api, model):
    one, gone = api.version(model, "1")["id"], api.version(model, "2")["id"]
    assert api.delete(f"/api/v1/versions/{gone}").status_code == 204
    for other in (NOWHERE, gone):
        response = compared(api, one, other)
        assert response.status_code == 404
        assert other in response.json["detail"]


def test_a_comparison_takes_three_statements_at_most(api, app, model):
    one, two = api.version(model, "1")["id"], api.version(model, "2")["id"]
    with counted(app) as statements:
        assert compared(api, one, two).status_code == 200
    assert len(statements) <= 3
