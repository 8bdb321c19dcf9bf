"""PgBouncer as an ordinary process with the shipped file."""

import os
import pwd
import re
import signal
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor
from up import ROOT, free_port, until

from catapult.embedded import Embedded

FILE = ROOT / "infrastructure" / "pgbouncer" / "pgbouncer.ini"
PASSWORD = "a-password-for-tests"


class PgBouncer:
    """PgBouncer in front of the cluster, with its files in the folder. `changed` replaces shipped settings."""

    def __init__(
        self, program: str, folder: Path, cluster: Embedded, connect_query: bool = True, **changed: str
    ) -> None:
        self.port, self.log = free_port(), folder / "pgbouncer.log"
        text = _for_tests(FILE.read_text(), folder, cluster, self.port)
        text = text if connect_query else re.sub(" connect_query='.*", "", text)
        self.ini = folder / "pgbouncer.ini"
        self.ini.write_text(text + "".join(f"{name} = {value}\n" for name, value in changed.items()))
        self.command = [program, *_account(folder, cluster), self.ini]
        self.start()

    def start(self) -> None:
        """Start it, or start it again after it has ended."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def url(self, database: str) -> str:
        return f"postgresql://catapult:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def ready(self) -> "PgBouncer":
        until(self._answers)
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with suppress(psycopg2.OperationalError):
            self.show("VERSION")
            return True
        return False

    def show(self, what: str) -> list[dict[str, Any]]:
        """Return the rows of one of PgBouncer's own SHOW commands."""
        return self.order(f"SHOW {what}")

    def order(self, command: str) -> list[dict[str, Any]]:
        """Run one of PgBouncer's own commands, such as PAUSE, and return its rows."""
        with closing(psycopg2.connect(self.url("pgbouncer"), connect_timeout=2)) as connection:
            connection.autocommit = True
            with connection.cursor(cursor_factory=RealDictCursor) as cursor:
                cursor.execute(command)
                return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def _for_tests(text: str, folder: Path, cluster: Embedded, port: int) -> str:
    """Return the shipped file with the changes of an operator, for any database of the cluster."""
    users = folder / "userlist.txt"
    users.write_text(f'"catapult" "{PASSWORD}"\n')
    for shipped, ours in [
        ("\nregistry = host=db.example.com port=5432 ", f"\n* = host={cluster.sockets} port=5432 "),
        ("\nlisten_port = 6432\n", f"\nlisten_port = {port}\nadmin_users = catapult\nunix_socket_dir =\n"),
        ("\nauth_file = /etc/pgbouncer/userlist.txt\n", f"\nauth_file = {users}\n"),
    ]:
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, ours)
    return text


def _account(folder: Path, cluster: Embedded) -> list[str]:
    """Return options that run PgBouncer as the user of PostgreSQL: it refuses to be root, and the socket is private."""
    if os.geteuid() != 0:
        return []
    owner = cluster.data.stat()
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)
    return ["-u", pwd.getpwuid(owner.st_uid).pw_name]
