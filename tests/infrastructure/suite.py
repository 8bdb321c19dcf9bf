"""The end-to-end suite, `tests/e2e_test.py`, as a script of its own."""

import os
import subprocess
import sys

from up import ROOT


def end_to_end(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run the suite with these variables and none of this machine's that it would read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEST_API", "HTTP", "REGISTRY"))}
    return subprocess.run(
        [sys.executable, ROOT / "tests" / "e2e_test.py"],
        cwd=ROOT,
        env={**kept, "NO_PROXY": "127.0.0.1", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
