"""Prometheus with the shipped configuration and the real server: every query of the dashboard and every alert works."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from up import ROOT, Caller, Up, a_version, for_a_team, free_port, until

pytestmark = pytest.mark.live
FILES = ROOT / "infrastructure" / "prometheus"
PANELS = json.loads((ROOT / "infrastructure" / "grafana" / "dashboards" / "catapult.json").read_text())["panels"]
QUERIES = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
METRICS_KEY = "a-key-for-prometheus-alone"


class Prometheus:
    """Prometheus, scraping the server every second."""

    def __init__(self, program: str, folder: Path, server: Up) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        configuration = yaml.safe_load((FILES / "prometheus.yml").read_text())
        configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        configuration["rule_files"] = [str(FILES / name) for name in configuration["rule_files"]]
        (job,) = configuration["scrape_configs"]
        assert job.pop("dns_sd_configs") == [{"names": ["backend"], "type": "A", "port": 8000}]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{server.port}"]}]
        assert job["authorization"].pop("credentials_file") == "/tmp/metrics_key"
        job["authorization"]["credentials"] = METRICS_KEY
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        options = {"config.file": folder / "prometheus.yml", "storage.tsdb.path": folder / "kept"}
        listen = f"--web.listen-address={self.url.removeprefix('http://')}"
        with (folder / "output").open("w") as output:
            self.process = subprocess.Popen(
                [program, *(f"--{name}={value}" for name, value in options.items()), listen],
                stdout=output,
                stderr=output,
            )

    def ask(self, path: str, **query: str) -> Any:
        with Caller(self.url) as caller:
            answer = caller.get(f"/api/v1/{path}", params=query).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def results(self, query: str) -> list[dict[str, Any]]:
        return list(self.ask("query", query=query)["result"])

    def has_rates(self) -> bool:
        with suppress(requests.RequestException, AssertionError):
            return bool(self.results("rate(catapult_requests_total[5m]) and on() catapult_models"))
        return False


@pytest.fixture(scope="module")
def prometheus(
    needs: Callable[[str], str], infra_folder: Callable[[], Path], make_database: Callable[[], str]
) -> Iterator[Prometheus]:
    """Prometheus after requests of all kinds, a successful and a failed deployment, and a key that expires soon."""
    limits = {"RATE_LIMIT": "20 per second", "METRICS_KEY": METRICS_KEY}
    server = Up(infra_folder(), **for_a_team(make_database()), **limits)
    started = None
    try:
        server.ready()
        started = Prometheus(needs("prometheus"), infra_folder(), server)
        use(server)
        until(started.has_rates)
        with server.caller(server.key) as caller:
            refused = 'rate(catapult_requests_total{status="429"}[5m]) > 0'  # it has to grow between two scrapes
            until(lambda: [caller.get("/api/v1/info") for _ in range(60)] and started.results(refused))
        yield started
    finally:
        if started:
            started.process.terminate()
            started.process.wait(20)
        server.close()


def use(server: Up) -> None:
    with server.caller(server.key) as caller:
        model = caller.model("org/watched")
        version = caller.made("/api/v1/versions", {**a_version(model, "1.0.0"), "is_release": True})
        for status in ("success", "failed"):
            fields = {"release_id": version["id"], "environment": "production", "status": status}
            caller.made("/api/v1/deployments", fields)
        soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        caller.made("/api/v1/api-keys", {"name": "soon", "expires_at": soon})
        assert caller.get("/api/v1/models/none").status_code == 404


def test_the_server_is_scraped_with_the_key(prometheus: Prometheus) -> None:
    (target,) = prometheus.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    assert target["labels"]["job"] == "catapult"


@pytest.mark.parametrize(
    ("title", "target"), QUERIES, ids=[f"{title}-{target['expr'][:30]}" for title, target in QUERIES]
)
def test_a_query_of_the_dashboard_has_results(prometheus: Prometheus, title: str, target: dict[str, Any]) -> None:
    results = prometheus.results(target["expr"].replace("$__rate_interval", "5m"))
    if 'status=~"5.."' in target["expr"]:  # there was no server error
        return
    values = {result["value"][1] for result in results}
    assert values - {"NaN"}, title  # NaN: a route without a request within that time
    for label in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")):
        assert all(label in result["metric"] for result in results), label


def test_every_alert_is_healthy_and_the_expected_ones_are_raised(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    until(lambda: all(rule["health"] == "ok" for rule in rules()))
    assert not [rule["lastError"] for rule in rules() if rule.get("lastError")]
    assert len(rules()) == 14
    states = {rule["name"]: rule["state"] for rule in rules()}
    assert states.pop("CatapultKeysExpire") == "pending"  # for an hour before it fires
    assert states.pop("CatapultRateLimited") in ("inactive", "pending")
    assert states.pop("CatapultWorkerDown") in ("pending", "firing")  # none runs beside this server
    assert set(states.values()) == {"inactive"}
