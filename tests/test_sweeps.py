"""What requests leave behind is swept by the worker: it does not grow with their number, and no sweep reads a whole table."""

import pytest
from sqlalchemy import event, text

from catapult.actions import sweeping

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
def ask(app):
    """Sweep once, as the worker does every ten minutes, and again at once after a full batch."""

    def sweep():
        with app.app_context():
            return sweeping.sweep()

    return sweep


def test_a_sweep_deletes_a_thousand_rows_and_says_whether_there_may_be_more(add, ask, kind, sql):
    add(2_500)
    add(500, "1 minute")
    rows = [(ask(), sql(f"SELECT count(*) FROM {kind}")[0]["count"]) for _ in range(4)]
    assert rows == [(False, 2_000), (False, 1_000), (True, 500), (True, 500)]


def test_the_table_and_its_indexes_do_not_grow_with_what_was_swept(add, ask, kind, sql, database):
    sizes = []
    for _ in range(4):
        add(3_000)
        for _ in range(3):
            ask()
        vacuum(database, kind)  # as autovacuum does
        sizes.append(sql(f"SELECT pg_total_relation_size('{kind}') AS size")[0]["size"])
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
