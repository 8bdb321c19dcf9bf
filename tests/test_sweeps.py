"""What requests leave behind is swept by requests: it does not grow with their number, and no sweep reads a whole table."""

import time
from itertools import count

import pytest
from sqlalchemy import event, text

from catapult import app as application

OURS = {"Sec-Fetch-Site": "same-origin"}
MANY = 20_000
SESSION = (
    "INSERT INTO sessions (id, token_hash, api_key_id, created_at, used_at)"
    " SELECT gen_random_uuid(), sha256(convert_to('{age}' || n, 'UTF8')), (SELECT id FROM api_keys LIMIT 1),"
    " now() - interval '{age}', now() - interval '{age}' FROM generate_series(1, {rows}) AS n"
)
COUNT = (
    "INSERT INTO sign_in_counts SELECT '{age}' || n, now() - interval '{age}', 1 FROM generate_series(1, {rows}) AS n"
)
ANSWER = (
    "INSERT INTO idempotent_answers (caller, key, fingerprint, status, headers, body, created_at)"
    " SELECT (SELECT id FROM api_keys LIMIT 1), '{age}' || n, sha256(convert_to(n::text, 'UTF8')), 201, '{{}}',"
    " convert_to(repeat('x', 600), 'UTF8'), now() - interval '{age}' FROM generate_series(1, {rows}) AS n"
)
KINDS = {
    "sessions": (SESSION, "3 hours"),
    "sign_in_counts": (COUNT, "3 hours"),
    "idempotent_answers": (ANSWER, "25 hours"),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def add(sql, kind):
    """`add(rows)` inserts rows that are to be swept, `add(rows, "1 minute")` rows of that age."""
    statement, old = KINDS[kind]
    return lambda rows, age=old: sql(statement.format(rows=rows, age=age))


@pytest.fixture
def ask(kind, app, api, monkeypatch):
    """Send a request that sweeps: a sign-in that is refused, or any of the API, of which the first has waited ten minutes."""
    monkeypatch.setattr(application, "_swept", time.monotonic() - application.SWEEP_EVERY - 1)
    if kind == "idempotent_answers":
        return lambda: api.get("/api/v1/models")
    addresses = count(1)  # one alone may try ten times a minute

    def sign_in():
        client = {"REMOTE_ADDR": f"192.0.2.{next(addresses)}"}
        answer = app.test_client().post("/login", data={"key": "cat_wrong"}, headers=OURS, environ_base=client)
        assert answer.status_code == 422

    return sign_in


def test_a_request_sweeps_a_thousand_rows_so_what_is_old_goes_faster_than_it_comes(add, ask, kind, sql):
    add(3_500)
    add(500, "1 minute")
    rows = []
    for _ in range(4):
        ask()  # a sign-in adds a count of its own
        rows.append(sql(f"SELECT count(*) FROM {kind}")[0]["count"])
    for sent, (number, expected) in enumerate(zip(rows, (3_000, 2_000, 1_000, 500), strict=True), 1):
        assert number - expected in (0, sent)


def test_the_table_and_its_indexes_do_not_grow_with_what_was_swept(add, ask, kind, sql, database):
    sizes = []
    for _ in range(4):
        add(3_000)
        for _ in range(3):
            ask()
        vacuum(database, kind)  # as autovacuum does
        sizes.append(sql(f"SELECT pg_total_relation_size('{kind}') AS size")[0]["size"])
        application._swept -= application.SWEEP_EVERY
    assert sizes[3] <= 1.2 * sizes[1]


@pytest.mark.parametrize("old", [0, 1_000, MANY])
def test_a_sweep_walks_an_index(add, ask, kind, sql, database, old):
    if old:
        add(old)
    if old < MANY:
        add(MANY - old, "2 minutes")
    vacuum(database, kind, "ANALYZE")
    sent = []
    event.listen(database.engine, "before_cursor_execute", listener := lambda *args: sent.append(args[2:4]))
    ask()
    event.remove(database.engine, "before_cursor_execute", listener)
    [(statement, values)] = [each for each in sent if each[0].startswith(f"DELETE FROM {kind}")]
    with database.engine.connect() as connection:
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars())
    assert "Index" in plan
    assert f"Seq Scan on {kind}" not in plan, plan


def vacuum(database, kind, options=""):
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"VACUUM {options} {kind}"))
