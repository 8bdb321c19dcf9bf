"""`catapult import mlflow` from MLflow's own server, which is installed beside our environment (Makefile)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from up import ROOT, Caller, Start, Up, environment, free_port, run, until

pytestmark = pytest.mark.live
MLFLOW = Path(sys.prefix) / "mlflow" / "bin" / "mlflow"


class Server:
    """MLflow's own server, with its registry in a file of SQLite."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = [MLFLOW, "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--port", str(port)]
        command += ["--default-artifact-root", str(folder), "--workers", "1"]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **quiet}, stdout=log, stderr=log, start_new_session=True
            )

    def answers(self) -> bool:
        assert self.process.poll() is None, "MLflow's server ended"
        try:
            return requests.get(f"{self.url}/health", timeout=1).ok
        except requests.RequestException:
            return False

    def post(self, path: str, **body: Any) -> Any:
        answer = requests.post(f"{self.url}/api/2.0/mlflow/{path}", json=body, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def model(self, name: str, **fields: Any) -> None:
        self.post("registered-models/create", name=name, **fields)

    def version(self, name: str, **fields: Any) -> str:
        body = {"name": name, "source": f"s3://models/{name}", **fields}
        return str(self.post("model-versions/create", **body)["model_version"]["version"])

    def stage(self, name: str, version: str, stage: str) -> None:
        self.post(
            "model-versions/transition-stage", name=name, version=version, stage=stage, archive_existing_versions=False
        )

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture(scope="module")
def mlflow(make_folder: Callable[[], Path]) -> Iterator[Server]:
    if not MLFLOW.exists() and not os.environ.get("CI"):
        pytest.skip("make .venv/.test installs MLflow's server")
    server = Server(make_folder())
    try:
        until(server.answers, 90)
        fill(server)
        yield server
    finally:
        server.close()


def fill(server: Server) -> None:
    server.model("churn", description="Who leaves?", tags=[{"key": "team name", "value": "growth"}])
    tags = [{"key": "f1 score", "value": ""}, {"key": "long", "value": "x" * 5000}]
    for number in "1234":
        assert server.version("churn", run_id=f"run{number}", tags=tags, description=f"No. {number}") == number
    server.post("registered-models/alias", name="churn", alias="champion", version="3")
    for version, stage in (("1", "Archived"), ("2", "Staging"), ("3", "Production")):
        server.stage("churn", version, stage)
    server.model("twice")
    for _ in "12":
        server.stage("twice", server.version("twice"), "Production")
    server.model("holes")
    server.version("holes")
    gone = server.version("holes")
    requests.delete(
        f"{server.url}/api/2.0/mlflow/model-versions/delete", json={"name": "holes", "version": gone}, timeout=30
    ).raise_for_status()
    server.version("holes", tags=[{"key": "catapult.version", "value": "2026.11.3"}])
    server.model("no|name")
    server.version("no|name")


@pytest.fixture
def ours(start: Start) -> Up:
    server = start().ready()
    server.make_keys()
    return server


def bring(ours: Up, mlflow: Server, *options: str, role: str = "admin") -> tuple[int, Any]:
    """The exit status, and what the command prints as JSON."""
    done = run(command(mlflow, *options), variables(ours, role))
    return done.returncode, json.loads(done.stdout)


def command(mlflow: Server, *options: str) -> list[str]:
    return [sys.executable, "-m", "catapult_client", "import", "mlflow", "--from", mlflow.url, "--json", *options]


def variables(ours: Up, role: str = "admin") -> dict[str, str]:
    key = ours.keys[role]
    return environment(REGISTRY_URL=ours.url, REGISTRY_API_KEY=key, PYTHONPATH=str(ROOT / "client"))


def counts(ours: Up) -> tuple[int, ...]:
    tables = ("models", "versions", "aliases", "deployments", "events")
    return tuple(ours.sql(f"SELECT count(*) FROM {table}")[0][0] for table in tables)


def test_everything_comes_once_and_what_cannot_is_named_with_the_reason(ours: Up, mlflow: Server) -> None:
    before = counts(ours)
    status, dry = bring(ours, mlflow, "--dry-run")
    assert (status, dry["imported"]["versions"], counts(ours)) == (1, 9, before)
    status, report = bring(ours, mlflow)
    assert (status, report["imported"]) == (1, {"models": 3, "versions": 8, "aliases": 1, "stages": 4})
    reasons = {problem["what"]: problem["why"] for problem in report["problems"]}
    assert set(reasons) == {"holes 3", "no|name", "twice 1 in Production"}
    assert "its number here is 2" in reasons["holes 3"]
    assert "2 is in Production, too" in reasons["twice 1 in Production"]
    with ours.by("viewer") as viewer:
        check(viewer, ours)
    came = counts(ours)
    status, again = bring(ours, mlflow)
    assert (again["imported"], counts(ours)) == ({"models": 0, "versions": 0, "aliases": 0, "stages": 0}, came)
    assert again["already_there"] == report["imported"]


def check(viewer: Caller, ours: Up) -> None:
    """Look at what came of the model `churn`."""
    model = viewer.get("/api/v1/models", params={"name": "churn"}).json()[0]
    assert (model["description"], model["metadata"]["mlflow_tags"]) == ("Who leaves?", {"team name": "growth"})
    rows = viewer.get("/api/v1/versions", params={"model_name": "churn"}).json()
    versions = {row["version"]: row for row in rows}
    assert {name: row["number"] for name, row in versions.items()} == {"1": 1, "2": 2, "3": 3, "4": 4}
    third = viewer.get(f"/api/v1/versions/{versions['3']['id']}").json()
    assert (third["source"], third["release_notes"], third["live_in"]) == ("s3://models/churn", "No. 3", ["Production"])
    assert third["metadata"]["mlflow_tags"] == {"f1 score": "", "long": "x" * 5000}
    origin = third["metadata"]["mlflow"]
    assert (origin["run_id"], origin["created_at"][:2]) == ("run3", "20")
    assert third["aliases"] == ["champion"]
    assert (versions["2"]["live_in"], versions["1"]["status"]) == (["Staging"], "archived")
    named = viewer.get("/api/v1/versions", params={"model_name": "holes"}).json()
    assert {row["version"] for row in named} == {"1", "2026.11.3"}


def test_gates_hold_for_what_comes(ours: Up, mlflow: Server) -> None:
    with ours.by("admin") as admin:
        admin.put("/api/v1/environments/production", json={"rank": 1}).raise_for_status()
        admin.made("/api/v1/gates", {"model": "churn", "target": "production", "kind": "released"})
    status, report = bring(ours, mlflow, "--models", "chur?")
    assert (status, report["imported"]["stages"]) == (1, 2)
    (problem,) = report["problems"]
    assert problem["what"] == "churn 3 in Production"
    assert "release" in problem["why"]
    assert ours.sql("SELECT place FROM deployments WHERE live_from IS NOT NULL") == [("staging",)]


def test_an_import_that_was_killed_goes_on(ours: Up, mlflow: Server) -> None:
    process = subprocess.Popen(command(mlflow), env=variables(ours), stdout=subprocess.DEVNULL)
    until(lambda: len(ours.sql("SELECT 1 FROM versions")) > 1)
    process.kill()
    process.wait(10)
    time.sleep(0.5)  # what was sent last may still be on its way
    there = len(ours.sql("SELECT 1 FROM versions"))
    _, report = bring(ours, mlflow)
    assert (report["already_there"]["versions"], report["imported"]["versions"]) == (there, 8 - there)
    assert ours.sql("SELECT count(*) FROM versions") == [(8,)]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://user:secret-word@127.0.0.1:1", "Do not put a password into an address"),
        ("ftp://127.0.0.1", "Pass the address of an MLflow server"),
    ],
)
def test_an_address_with_a_password_is_refused_without_it(address: str, message: str) -> None:
    env = environment(REGISTRY_URL="http://127.0.0.1:1", REGISTRY_API_KEY="cat_a_b", PYTHONPATH=str(ROOT / "client"))
    done = run([sys.executable, "-m", "catapult_client", "import", "mlflow", "--from", address], env)
    assert (done.returncode, message in done.stderr, "secret-word" in done.stderr + done.stdout) == (2, True, False)
