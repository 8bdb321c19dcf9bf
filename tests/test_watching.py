"""What Prometheus and Grafana are given: their own tools take it, and every figure that it names is one that there is."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROMETHEUS, GRAFANA = ROOT / "infrastructure" / "prometheus", ROOT / "infrastructure" / "grafana"
DASHBOARD = GRAFANA / "dashboards" / "catapult.json"


def run(program, *arguments, folder=PROMETHEUS, **environment):
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    environment = {**os.environ, **environment}
    done = subprocess.run([found, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_what_prometheus_is_given():
    run("promtool", "check", "config", "--syntax-only", "prometheus.yml")
    assert "8 rules" in run("promtool", "check", "rules", "alerts.yml")


def test_alarms_are_raised_by_what_they_are_for():
    run("promtool", "test", "rules", "alerts.test.yml")


def test_every_alarm_says_what_to_do():
    (group,) = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "todo"}


@pytest.fixture
def told(api):
    """The names of all figures that there are."""
    version = api.version(api.model())
    api.deployment(version)
    return set(re.findall(r"^(catapult_\w+?)(?:\{| )", api.by(None).get("/metrics").text, re.MULTILINE))


def test_every_figure_that_is_named_is_told(told):
    for path in (PROMETHEUS / "alerts.yml", DASHBOARD):
        named = set(re.findall(r"catapult_\w+", path.read_text()))
        assert named
        assert named <= told


def test_the_dashboard_asks_the_source_that_is_provisioned():
    (source,) = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
