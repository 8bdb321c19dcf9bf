"""The stock client of MLflow against a real server: what a training script and a release script call."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from up import Up, at_once, environment

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore::FutureWarning")]
TRAIN = """
import mlflow
from mlflow.pyfunc import PythonModel

class Double(PythonModel):
    def predict(self, context, model_input: list[float]) -> list[float]:
        return [2 * value for value in model_input]

with mlflow.start_run():
    info = mlflow.pyfunc.log_model(name="double", python_model=Double(), registered_model_name="live/{name}")
version = mlflow.register_model(info.model_uri, "{name}", tags={{"task": "maths"}})
client = mlflow.MlflowClient()
client.transition_model_version_stage("{name}", version.version, "Production")
client.set_registered_model_alias("{name}", "champion", version.version)
for suffix in ("/1", "/latest", "/Production", "@champion"):
    assert mlflow.pyfunc.load_model(f"models:/{name}{{suffix}}").predict([1.5]) == [3.0], suffix
assert client.get_model_version("{name}", "1").run_id == info.run_id or version.source == info.model_uri
"""
REGISTER = """
from mlflow import MlflowClient

for number in range(100):
    MlflowClient().create_model_version("crowd", f"s3://crowd/{number}")
"""


@pytest.fixture(autouse=True)
def settings(server: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a team sets, and no second try of what fails."""
    for name, value in settings_of(server, "admin").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def client(server: Up, tmp_path: Path) -> Iterator[MlflowClient]:
    return MlflowClient(tracking_uri=str(tmp_path), registry_uri=server.url)


def settings_of(server: Up, role: str) -> dict[str, str]:
    token = {"MLFLOW_REGISTRY_URI": server.url, "MLFLOW_TRACKING_TOKEN": server.keys[role]}
    return {**token, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}


def script(server: Up, text: str, folder: Path, role: str = "publisher") -> subprocess.Popen[str]:
    tracking = {"MLFLOW_TRACKING_URI": f"file://{folder}/runs", "MLFLOW_MODEL_ENV_DOWNLOADING_TEMP_DIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-c", text],
        cwd=folder,
        env=environment() | settings_of(server, role) | tracking,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ends_well(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output


def test_a_training_script_logs_registers_promotes_and_loads(server, tmp_path):
    ends_well(script(server, TRAIN.format(name="double"), tmp_path, "releaser"))
    with server.by("viewer") as viewer:
        (live,) = viewer.get("/api/v1/deployments?live=true&model_name=double").json()
        assert (live["environment"], live["version"]) == ("production", "1")
        assert [row["name"] for row in viewer.get("/api/v1/models?search=double").json()] == ["double", "live/double"]


def test_two_processes_register_200_versions_without_a_hole(server, client, tmp_path):
    client.create_registered_model("crowd")
    for process in [script(server, REGISTER, tmp_path) for _ in range(2)]:
        ends_well(process)
    found = client.search_model_versions("name = 'crowd'")
    assert sorted(int(version.version) for version in found) == list(range(1, 201))


def test_every_call_of_the_client(client):
    model = client.create_registered_model("calls", tags={"team": "risk"}, description="First")
    assert (model.name, model.tags, model.description) == ("calls", {"team": "risk"}, "First")
    version = client.create_model_version(
        "calls", "s3://calls/1", run_id="r1", tags={"a b": ""}, description="One", run_link="https://ml.example/r1"
    )
    assert (version.version, version.run_id, version.tags, version.description) == ("1", "r1", {"a b": ""}, "One")
    assert version.creation_timestamp > 1_700_000_000_000
    client.update_registered_model("calls", "Second")
    client.update_model_version("calls", "1", "Two")
    client.set_registered_model_tag("calls", "stage", "beta")
    client.delete_registered_model_tag("calls", "team")
    client.set_model_version_tag("calls", "1", "checked", "yes")
    client.delete_model_version_tag("calls", "1", "a b")
    model, version = client.get_registered_model("calls"), client.get_model_version("calls", "1")
    assert (model.description, model.tags) == ("Second", {"stage": "beta"})
    assert (version.description, version.tags, version.source) == ("Two", {"checked": "yes"}, "s3://calls/1")
    assert client.get_model_version_download_uri("calls", "1") == "s3://calls/1"
    assert client.transition_model_version_stage("calls", "1", "Staging", True).current_stage == "Staging"
    assert [found.version for found in client.get_latest_versions("calls", ["Staging"])] == ["1"]
    assert client.transition_model_version_stage("calls", "1", "None").current_stage == "None"
    assert [found.name for found in client.search_registered_models("name LIKE 'cal%'")] == ["calls"]
    assert (
        len(client.search_model_versions("run_id = 'r1' AND tags.checked = 'yes'", order_by=["version_number DESC"]))
        == 1
    )
    client.set_registered_model_alias("calls", "champion", "1")
    assert client.get_model_version_by_alias("calls", "champion").aliases == ["champion"]
    assert client.get_registered_model("calls").aliases == {"champion": "1"}
    client.delete_registered_model_alias("calls", "champion")
    with pytest.raises(MlflowException, match="alias champion not found"):
        client.get_model_version_by_alias("calls", "champion")
    client.set_registered_model_alias("calls", "goes-along", "1")
    client.rename_registered_model("calls", "called")
    client.delete_model_version("called", "1")
    client.delete_registered_model("called")
    with pytest.raises(MlflowException, match="Registered Model with name=called not found") as refused:
        client.get_registered_model("called")
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_guarded_alias_moves_once_somebody_else_approved(server, client):
    client.create_registered_model("guarded")
    for number in "12":
        client.create_model_version("guarded", f"s3://guarded/{number}")
    client.set_registered_model_alias("guarded", "champion", "1")
    with server.by("admin") as admin, server.by("releaser") as approver:
        admin.made("/api/v1/gates", {"model": "guarded", "target": "@champion", "kind": "approved"})
        with pytest.raises(MlflowException, match=r"[Aa]pprov") as refused:
            client.set_registered_model_alias("guarded", "champion", "2")
        assert refused.value.error_code == "PERMISSION_DENIED"
        assert client.get_model_version_by_alias("guarded", "champion").version == "1"
        second = admin.get("/api/v1/versions", params={"model_name": "guarded", "version": "2"}).json()[0]
        approver.made(f"/api/v1/versions/{second['id']}/approvals", {"target": "@champion"})
        client.set_registered_model_alias("guarded", "champion", "2")
        decision = admin.get(f"/api/v1/models/{second['model_id']}/aliases").json()[0]["decision_id"]
        assert [given["by"] for given in admin.get(f"/api/v1/decisions/{decision}").json()["approvals"]]
    assert client.get_model_version_by_alias("guarded", "champion").version == "2"


def test_pages_of_the_client(client):
    client.create_registered_model("pages")
    for number in range(5):
        client.create_model_version("pages", f"s3://pages/{number}")
    page = client.search_model_versions("name = 'pages'", max_results=2, order_by=["version_number ASC"])
    shown = list(page)
    while page.token:
        page = client.search_model_versions(
            "name = 'pages'", max_results=2, order_by=["version_number ASC"], page_token=page.token
        )
        shown += page
    assert [version.version for version in shown] == ["1", "2", "3", "4", "5"]


def test_what_this_server_does_not_have_is_told_as_such(server, monkeypatch):
    with pytest.raises(MlflowException, match="tracking server"):
        MlflowClient(tracking_uri=server.url).search_runs(["0"])


def test_stages_deployments_and_environments_at_once_neither_wait_for_each_other_nor_fail(server, client):
    client.create_registered_model("busy")
    for number in "12":
        client.create_model_version("busy", f"s3://busy/{number}")
    with server.by("admin") as admin:
        versions = admin.get("/api/v1/versions", params={"model_name": "busy"}).json()

    def stage(number: str) -> list[int]:
        fields = {"name": "busy", "version": number, "stage": "Production", "archive_existing_versions": True}
        with server.by("admin") as caller:
            answers = [caller.post("/api/2.0/mlflow/model-versions/transition-stage", json=fields) for _ in range(8)]
        return [answer.status_code for answer in answers]

    def deploy(version_id: str) -> list[int]:
        fields = {"release_id": version_id, "environment": "production"}
        with server.by("admin") as caller:
            return [caller.post("/api/v1/deployments", json=fields).status_code for _ in range(8)]

    def edit() -> list[int]:
        address = "/api/v1/environments/production"
        with server.by("admin") as caller:
            return [caller.put(address, json={"description": f"{count}"}).status_code for count in range(8)]

    works = [*(partial(stage, number) for number in "12"), *(partial(deploy, row["id"]) for row in versions), edit]
    for statuses in at_once(*works):
        assert set(statuses) <= {200, 201}
    deadlocks = [path for path in server.home.rglob("*.log") if "deadlock detected" in path.read_text(errors="ignore")]
    assert deadlocks == []
