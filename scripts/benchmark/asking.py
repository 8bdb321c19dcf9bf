"""Send requests over some connections for some seconds, and measure how long they take.

wrk sends them if it is installed, because it takes little of the processor that the server is measured on; else threads of Python.
"""

import http.client
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import NamedTuple

UNIQUE = "@"
"""A placeholder in a path or body, replaced by another text in each request."""

REPORT = """
done = function(summary, latency, requests)
  local faults = summary.errors
  io.write(string.format('\\n{"requests": %d, "seconds": %f, "p50": %f, "p95": %f, "p99": %f, "faults": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3,
    latency:percentile(99) / 1e3, faults.status + faults.connect + faults.read + faults.write + faults.timeout))
end"""


class Asked(NamedTuple):
    """Requests to these paths in turn, with these bodies in turn. A `cookie` is sent instead of a key."""

    paths: Sequence[str]
    bodies: Sequence[str] = ()
    cookie: str = ""
    puts: bool = False

    @property
    def method(self) -> str:
        return "PUT" if self.puts else "POST" if self.bodies else "GET"


class Figures(NamedTuple):
    """Requests per second, percentiles in milliseconds, the number of requests, and how many of them failed."""

    rate: float
    p50: float
    p95: float
    p99: float
    requests: int
    faults: int


class Client:
    """Sends requests to a server on this machine. A round continues after the `sent` requests of the rounds before."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key
        self.tool = shutil.which("wrk")

    def ask(self, asked: Asked, seconds: int, connections: int, sent: int = 0) -> Figures:
        headers = {"Content-Type": "application/json"}
        headers |= {"Cookie": asked.cookie} if asked.cookie else {"X-API-Key": self.key}
        run = f"r{os.urandom(4).hex()}"
        if self.tool is None:
            return Threads(self.port, asked, headers, run, sent).ask(seconds, connections)
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(lua(asked, run, sent))
            script.flush()
            sending = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
            load = ["-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, *sending]
            address = f"http://127.0.0.1:{self.port}"
            printed = subprocess.run([self.tool, *load, address], capture_output=True, text=True, check=True).stdout
        result = json.loads(printed.splitlines()[-1])
        return Figures(result["requests"] / result.pop("seconds"), **result)


def lua(asked: Asked, run: str, sent: int) -> str:
    """Return the script for wrk."""
    paths, bodies = (",".join(f"[==[{text}]==]" for text in texts) for texts in (asked.paths, asked.bodies))
    return f"""
local paths, bodies, n = {{{paths}}}, {{{bodies}}}, {sent}
request = function()
  n = n + 1
  local path, body = paths[(n - 1) % #paths + 1], bodies[(n - 1) % math.max(#bodies, 1) + 1]
  path = string.gsub(path, "{UNIQUE}", "{run}." .. n)
  if body then body = string.gsub(body, "{UNIQUE}", "{run}." .. n) end
  return wrk.format("{asked.method}", path, nil, body)
end
{REPORT}"""


class Threads:
    """Sends the requests from Python. It takes as much of the processor as a server, so rates are lower and times longer."""

    def __init__(self, port: int, asked: Asked, headers: dict[str, str], run: str, sent: int) -> None:
        self.port, self.asked, self.headers, self.run = port, asked, headers, run
        self.number = count(sent)

    def ask(self, seconds: int, connections: int) -> Figures:
        began = time.monotonic()
        with ThreadPoolExecutor(connections) as pool:
            results = list(pool.map(self._ask, [began + seconds] * connections))
        lasted = time.monotonic() - began
        times = sorted(took for times, _ in results for took in times)
        cut = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
        return Figures(len(times) / lasted, cut[49], cut[94], cut[98], len(times), sum(faults for _, faults in results))

    def _ask(self, until: float) -> tuple[list[float], int]:
        """Use one connection. Returns the milliseconds of each request, and how many failed."""
        connection, times, faults = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30), [], 0
        while time.monotonic() < until:
            n = next(self.number)
            paths, bodies = self.asked.paths, self.asked.bodies
            path = paths[n % len(paths)].replace(UNIQUE, f"{self.run}.{n}")
            body = bodies[n % len(bodies)].replace(UNIQUE, f"{self.run}.{n}") if bodies else None
            began = time.perf_counter()
            try:
                connection.request(self.asked.method, path, body, self.headers)
                answer = connection.getresponse()
                answer.read()
                faults += answer.status >= 400
            except (OSError, http.client.HTTPException):
                connection.close()
                faults += 1
            times.append((time.perf_counter() - began) * 1000)
        connection.close()
        return times, faults
