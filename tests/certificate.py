"""A self-signed certificate for localhost."""

import subprocess
from pathlib import Path

REQUEST = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"


def self_signed(folder: Path) -> Path:
    """Write `fullchain.pem` and `privkey.pem`, valid for a day, into the folder and return the folder."""
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"]
    subprocess.run([*REQUEST.split(), *names, *files], check=True, capture_output=True, timeout=60)
    return folder
