"""`catapult import mlflow`: the registered models of an MLflow server."""

from __future__ import annotations

import argparse
import os
from typing import Any

from .mlflow_import import Import
from .mlflow_source import PASSWORD, TOKEN, MLflow
from .output import Output
from .progress import shown
from .registry import Registry

Options = argparse.Namespace
KINDS = ("models", "versions", "aliases", "stages")


def bring(registry: Registry[Any], options: Options, out: Output) -> bool:
    """Import the matching models, and print what was imported, what existed, and what failed."""
    out.secrets += [os.environ.get(name, "") for name in (TOKEN, PASSWORD)]
    mlflow = MLflow(options.source)
    models = [(model, mlflow.versions(model["name"])) for model in mlflow.models(options.models)]
    total = sum(len(versions) for _, versions in models)
    with shown(not out.as_json, "versions", total, unit="") as tell:
        report = Import(registry, mlflow, dry_run=options.dry_run, tell=tell).run(models)
    came = ", ".join(f"{report.counts[kind]} {kind}" for kind in KINDS)
    there = ", ".join(f"{report.there[kind]} {kind}" for kind in KINDS)
    out.result(
        {
            "imported": {kind: report.counts[kind] for kind in KINDS},
            "already_there": {kind: report.there[kind] for kind in KINDS},
            "problems": [{"what": what, "why": why} for what, why in report.problems],
            "dry_run": options.dry_run,
        },
        f"{'Would import' if options.dry_run else 'Imported'} {came}.",
        f"There already: {there}.",
        *(f"{what}: {why}" for what, why in report.problems),
    )
    return not report.problems
