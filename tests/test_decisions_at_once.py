"""Two approvals, a change of content and a promotion in any order, and at once: a release's decision is always true."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import permutations
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stage import Api, refusal

from catapult.rules.json_text import as_stored

GATES, VERSIONS = "/api/v1/gates", "/api/v1/versions"
COUNT, LEAST = 2, 0.9
"""How many approvals the gates ask for, and which accuracy."""
PEOPLE = ("ann", "ben", "cem", "dan")
FOUR = (("approve", "ann"), ("approve", "ben"), ("change", "cem", 0.97), ("promote", "dan"))
ATTEMPTS, SECONDS = 12, 60


@pytest.fixture
def desk(api):
    """A client of each person, all of them releasers, and of the service `registrar`; and gates for becoming a release."""
    api.make(GATES, {"model": "*", "target": "release", "kind": "approved", "count": COUNT})
    api.make(
        GATES, {"model": "*", "target": "release", "kind": "metric", "path": "accuracy", "op": ">=", "value": LEAST}
    )
    clients = {}
    for name in PEOPLE:
        person = api.make("/api/v1/people", {"name": name, "role": "releaser"})
        clients[name] = with_key(api, role="releaser", person_id=person["id"])
    return clients | {"registrar": with_key(api, role="publisher")}


def with_key(api, **fields):
    key = api.make("/api/v1/api-keys", {"name": "laptop", **fields})
    return Api(api.app, {"own": key["key"]}, "own")


def at(version, *rest):
    return "/".join((VERSIONS, version["id"], *rest))


def content_hash(version, accuracy):
    """The hash of its content, as somebody outside computes it."""
    content = {
        "tag": version["tag"],
        "digest": version["digest"],
        "repository": None,
        "storage_path": "docker.io/org/bert",
        "metadata": {"accuracy": accuracy},
        "ceph_path": None,
        "quantization": None,
    }
    return hashlib.sha256(as_stored(content).encode()).hexdigest()


# --- one after the other, in any order


class Oracle:
    """What the desk has to answer, by the rules in words: who approved which content, who changed it, and whether it is out."""

    def __init__(self, accuracy):
        self.accuracy, self.released = accuracy, False
        self.changed_by = set()
        self.approved_by = set()
        """Whose approval is of the present content and was not withdrawn."""

    def approve(self, who):
        may = who not in self.changed_by and who != "registrar" and who not in self.approved_by
        self.approved_by |= {who} if may else set()
        return 201 if may else 409

    def change(self, who, accuracy):
        if accuracy != self.accuracy:
            self.accuracy, self.approved_by = accuracy, set()
            self.changed_by.add(who)
        return 200

    def withdraw(self, who):
        self.approved_by.discard(who)
        return 204

    def counted(self, asker):
        return self.approved_by - {asker}

    def promote(self, who):
        self.released |= len(self.counted(who)) >= COUNT and self.accuracy >= LEAST
        return 200 if self.released else 409


def ask(client, version, verb, *values):
    """Send the action and return the answer; None where the client has no approval to withdraw."""
    if verb == "approve":
        return client.post(at(version, "approvals"), {"target": "release"})
    if verb == "change":
        return client.put(at(version), {"metadata": {"accuracy": values[0]}, "reason": "measured again"})
    if verb == "promote":
        return client.post(at(version, "promote"), {})
    name = client.get("/api/v1/me").json["name"]
    verdicts = client.get(f"{at(version, 'gates')}?target=release").json
    given = [each for verdict in verdicts for each in verdict["approvals"] if each["approved_by"] == name]
    return client.delete(at(version, "approvals", given[-1]["id"])) if given else None


def check_order(desk, version, actions):
    """Run the actions and compare every answer, and what the decision keeps, with the oracle."""
    oracle = Oracle(0.95)
    for verb, who, *values in actions:
        was_released = oracle.released
        answer = ask(desk[who], version, verb, *values)
        if answer is None:
            assert who not in oracle.approved_by, actions
            continue
        assert answer.status_code == getattr(oracle, verb)(who, *values), (actions, verb, who, answer.text)
        if answer.status_code == 409:
            assert refusal(answer) == ("blocked" if verb == "promote" else "conflict"), actions
        if oracle.released and not was_released:
            promoted = who, oracle.accuracy, oracle.counted(who)
    decisions = desk["registrar"].get(at(version, "decisions")).json
    assert len(decisions) == oracle.released
    for decision in decisions:
        by, accuracy, counted = promoted
        assert (decision["kind"], decision["by"], decision["override"]) == ("promote", by, False)
        assert decision["content"]["hash"] == content_hash(version, accuracy)
        assert decision["content"]["numbers"] == {"accuracy": accuracy}
        assert {given["by"] for given in decision["approvals"]} == counted
        assert all(verdict["passed"] for verdict in decision["verdicts"])


def a_version(desk, number="1.0.0"):
    registrar = desk["registrar"]
    model = registrar.get("/api/v1/models").json or [registrar.model()]
    return registrar.version(model[0], number, metadata={"accuracy": 0.95})


def test_the_four_in_every_order_and_with_a_withdrawal(desk):
    """Where the withdrawal comes before there is anything to withdraw, it is the four alone."""
    for number, actions in enumerate(permutations([*FOUR, ("withdraw", "ann")])):
        check_order(desk, a_version(desk, f"1.0.{number}"), actions)


WHO = st.sampled_from(PEOPLE)
ACTIONS = st.one_of(
    st.tuples(st.just("approve"), WHO | st.just("registrar")),
    st.tuples(st.just("change"), WHO, st.sampled_from((0.85, 0.95, 0.97))),
    st.tuples(st.just("withdraw"), WHO),
    st.tuples(st.just("promote"), WHO),
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(before=st.lists(ACTIONS, max_size=4), actions=st.permutations(FOUR), after=st.lists(ACTIONS, max_size=4))
def test_whatever_comes_before_and_after_and_whoever_does_it(desk, undone, before, actions, after):
    with undone():
        check_order(desk, a_version(desk), [*before, *actions, *after])


# --- at once


def run_at_once(*works):
    """Run each work, a list of calls, in a thread of its own; all begin together. Return the answers."""
    together = Barrier(len(works))

    def run(work):
        together.wait(SECONDS)
        return [call() for call in work]

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(run, work) for work in works]
        return [answer for future in futures for answer in future.result(SECONDS)]


def calls(desk, version, who, *verbs):
    return [lambda verb=verb: ask(desk[who], version, verb, 0.97) for verb in verbs]


def check_decision(version, decision, sql):
    """Check the decision against what the tables and the log say of that moment, which the model's lock orders."""
    moment = datetime.fromisoformat(decision["at"])
    changes = sql(
        "SELECT created_at, person_name FROM audit_logs WHERE action = 'version.update' AND resource_id = :id",
        id=version["id"],
    )
    before = [change for change in changes if change["created_at"] < moment]
    now = content_hash(version, 0.97 if before else 0.95)
    assert decision["content"]["hash"] == now
    approvals = sql("SELECT * FROM approvals WHERE version_id = :id", id=version["id"])
    valid = {
        approval["approved_by"]
        for approval in approvals
        if approval["content_hash"] == now
        and approval["created_at"] < moment
        and not any(approval[end] and approval[end] < moment for end in ("voided_at", "withdrawn_at"))
    }
    by = {given["by"] for given in decision["approvals"]}
    assert by == valid - {decision["by"]}
    assert len(by) >= COUNT
    assert by.isdisjoint({"laptop", decision["by"], *(change["person_name"] for change in before)})
    return bool(before)


def test_at_once_on_connections_of_their_own(desk, sql):
    """Ann and Ben approve, Cem changes the content, and Dan promotes, all as often as it takes to meet each other."""
    changed_before = []
    for number in range(ATTEMPTS):
        version = a_version(desk, f"2.0.{number}")
        again = ("approve", "withdraw", "approve", "approve") if number % 2 else ("approve",) * 3
        answers = run_at_once(
            calls(desk, version, "ann", *again),
            calls(desk, version, "ben", *("approve",) * 3),
            calls(desk, version, "cem", "change"),
            calls(desk, version, "dan", *("promote",) * 5),
        )
        assert {answer.status_code for answer in answers if answer is not None} <= {200, 201, 204, 409}
        for who, verb in (("ann", "approve"), ("ben", "approve"), ("dan", "promote")):
            ask(desk[who], version, verb)
        (decision,) = desk["dan"].get(at(version, "decisions")).json
        stored = desk["dan"].get(at(version)).json
        assert (stored["is_release"], stored["decision_id"]) == (True, decision["id"])
        assert stored["metadata"] == {"accuracy": 0.97}
        changed_before.append(check_decision(version, decision, sql))
        (entry,) = sql(
            "SELECT details FROM audit_logs WHERE action = 'version.promote' AND resource_id = :id", id=version["id"]
        )
        assert entry["details"]["decision_sha256"] == decision["sha256"]
    assert any(changed_before)
