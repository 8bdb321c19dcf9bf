"""What Prometheus and Grafana are given: their own tools take it, and every figure that it names is one that there is."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROMETHEUS, GRAFANA = ROOT / "infrastructure" / "prometheus", ROOT / "infrastructure" / "grafana"
DASHBOARD = GRAFANA / "dashboards" / "catapult.json"


def test_promtool_accepts_what_prometheus_is_given_and_alarms_are_raised_by_what_they_are_for():
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    for arguments in (
        "check config --syntax-only prometheus.yml",
        "check rules alerts.yml",
        "test rules alerts.test.yml",
    ):
        command = ["promtool", *arguments.split()]
        done = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alarm_says_what_to_do():
    (group,) = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "todo"}


def test_every_metric_that_is_named_exists(api):
    api.deployment(api.version(api.model()))
    exposed = set(re.findall(r"^(catapult_\w+?)(?:\{| )", api.by(None).get("/metrics").text, re.MULTILINE))
    for path in (PROMETHEUS / "alerts.yml", DASHBOARD):
        named = set(re.findall(r"catapult_\w+", path.read_text()))
        assert named
        assert named <= exposed


def test_the_dashboard_asks_the_source_that_is_provisioned():
    (source,) = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
