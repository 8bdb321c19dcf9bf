"""What the SDK does when the network or the registry fails: again, or a clear error."""

import logging
import os
import pickle
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from catapult_client import errors, transport
from peer import Answer, problem

from catapult import Registry

MODEL = {"id": "m1", "name": "a/b", "storage_path": "docker.io/a/b"}
DOWN = problem(503, "unavailable", detail="The database is away.")


def test_a_post_is_tried_again_under_one_idempotency_key(peer, faulty, caplog):
    caplog.set_level(logging.DEBUG, "catapult")
    created = Answer(201, MODEL)
    peer.answers = [DOWN, problem(500, "internal"), problem(409, "idempotency-in-progress"), created]
    assert faulty.create_model("a/b", "docker.io/a/b").id == "m1"
    (first,) = {asked.headers["Idempotency-Key"] for asked in peer.asked}
    assert len(peer.asked) == 4
    assert "POST /api/v1/models: try 1 of 6 failed" in caplog.text
    faulty.create_model("a/b", "x")
    faulty.create_model("a/b", "x", idempotency_key="mine")
    second, third = (asked.headers["Idempotency-Key"] for asked in peer.asked[4:])
    assert len({first, second, third}) == 3
    assert third == "mine"


@pytest.mark.parametrize("lost", [Answer(drop=True), Answer(200, "", {"Transfer-Encoding": "chunked"})])
def test_an_answer_that_is_lost_or_cut_short_is_asked_for_again(peer, faulty, lost):
    peer.answers = [lost, Answer(200, MODEL)]
    assert faulty.get_model("m1").name == "a/b"


def test_a_registry_that_is_down_is_a_connection_failed_that_says_why(faulty):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = Registry(f"http://127.0.0.1:{taken.getsockname()[1]}", "key", retries=1)
        with pytest.raises(errors.ConnectionFailed, match="Connection refused") as caught:
            away.create_model("a/b", "x")
    assert caught.value.transient
    assert not caught.value.maybe_applied
    assert "0x" not in str(caught.value)


def test_a_lost_answer_says_that_the_change_may_have_been_made(peer, at_peer):
    peer.answers = [Answer(drop=True)]
    with pytest.raises(errors.ConnectionFailed) as caught:
        at_peer(retries=1).create_model("a/b", "x")
    assert caught.value.maybe_applied
    assert len(peer.asked) == 2


def test_a_server_that_hangs_is_a_timed_out(peer, at_peer):
    peer.answers = [Answer(hold=30)]
    began = time.monotonic()
    with pytest.raises(errors.TimedOut):
        at_peer(timeout=0.2, retries=1).get_model("m1")
    assert time.monotonic() - began < 5
    assert len(peer.asked) == 2


def test_no_try_begins_after_the_time_limit(peer, at_peer):
    peer.answers = [DOWN, problem(503, "unavailable", headers={"Retry-After": "30"})]
    began = time.monotonic()
    with pytest.raises(errors.Unavailable) as caught:
        at_peer(time_limit=5).get_model("m1")
    assert time.monotonic() - began < 4
    assert caught.value.retry_after == 30
    assert len(peer.asked) == 2


def test_retry_after_is_waited_for(peer, faulty, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(transport.time, "sleep", pauses.append)
    peer.answers = [problem(429, "rate-limited", headers={"Retry-After": "7"}), Answer(200, MODEL)]
    faulty.get_model("m1")
    assert pauses == [pytest.approx(7, abs=0.01)]


def test_retry_after_is_read_as_seconds_or_as_a_date():
    then = datetime.now(UTC) + timedelta(seconds=100)
    assert errors.seconds_until("120") == 120
    assert 90 < (errors.seconds_until(format_datetime(then, usegmt=True)) or 0) <= 100
    assert errors.seconds_until("Mon, 01 Jan 2001 00:00:00 GMT") == 0
    for nonsense in (None, "", "soon", "-1", "nan", "1.5e99", "²"):
        assert errors.seconds_until(nonsense) is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 413, 415, 422, 507])
def test_what_trying_again_cannot_help_is_not_tried_again(peer, faulty, status):
    peer.answers = [Answer(status, {"title": "No", "status": status})]
    with pytest.raises(errors.RegistryError):
        faulty.create_model("a/b", "x")
    assert len(peer.asked) == 1


def test_deleting_again_after_a_lost_answer_takes_404_for_done(peer, faulty):
    peer.answers = [Answer(drop=True), problem(404, "not-found")]
    faulty.delete_model("m1")
    with pytest.raises(errors.NotFound):
        faulty.delete_model("m1")


def test_after_a_lost_answer_the_current_state_decides_whether_a_412_is_an_error(peer, faulty):
    lost = [Answer(drop=True), problem(412, "precondition-failed")]
    peer.answers = [*lost, Answer(200, {**MODEL, "description": "new", "metadata": {"a": 1}})]
    changed = faulty.update_model("m1", description="new", metadata={"a": 1.0}, if_match='"1-x"')
    assert changed.description == "new"
    for current in (Answer(200, {**MODEL, "description": "x"}), problem(405, "method-not-allowed")):
        peer.answers = [*lost, current]
        with pytest.raises(errors.PreconditionFailed) as caught:
            faulty.update_model("m1", description="new", if_match='"1-x"')
        assert caught.value.maybe_applied


def test_if_match_takes_a_record_fetched_alone_and_refuses_one_without_a_tag(peer, faulty):
    peer.answers = [Answer(200, MODEL, {"ETag": 'W/"3-abc"'}), Answer(200, [MODEL]), Answer(200, MODEL)]
    alone = faulty.get_model("m1")
    (listed,) = faulty.list_models()
    assert (alone.etag, listed.etag, alone == listed) == ('"3-abc"', None, True)
    faulty.update_model(alone, description=None, if_match=alone)
    assert peer.asked[-1].headers["If-Match"] == '"3-abc"'
    assert peer.asked[-1].body == {"description": None}
    with pytest.raises(errors.InvalidArgument, match="Fetch the record by its id"):
        faulty.update_model(alone, description=None, if_match=listed)


def test_a_key_whose_secret_was_lost_says_which_to_revoke(peer, faulty):
    peer.answers = [Answer(drop=True), Answer(201, {"id": "k1", "name": "ci"}, {"Idempotency-Replayed": "true"})]
    with pytest.raises(errors.SecretLost, match="Revoke k1") as caught:
        faulty.create_api_key("ci")
    assert caught.value.api_key_id == "k1"


def test_a_problem_becomes_the_error_of_its_type_with_all_it_says(peer, faulty):
    fields = {"name": ["Too long."], "metadata": {"eval": ["No list."]}}
    peer.answers = [problem(422, "validation", detail="Two fields are wrong.", errors=fields, request_id="r-1")]
    with pytest.raises(errors.Validation) as caught:
        faulty.create_model("a/b", "x")
    fault = caught.value
    assert (fault.type, fault.title, fault.status, fault.request_id) == ("validation", "Validation", 422, "r-1")
    assert fault.errors == fields
    assert str(fault) == (
        "422 Validation: Two fields are wrong. [name: Too long.; metadata.eval: No list.] "
        "(POST /api/v1/models, request r-1)"
    )


@pytest.mark.parametrize("kind", sorted(errors.BY_TYPE))
def test_every_type_of_the_contract_has_its_error(peer, at_peer, kind):
    peer.answers = [problem(418, kind)]
    with pytest.raises(errors.BY_TYPE[kind]) as caught:
        at_peer(retries=0).info()
    assert type(caught.value) is errors.BY_TYPE[kind]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, errors.NotFound),
        (409, errors.Conflict),
        (418, errors.RegistryError),
        (429, errors.RateLimited),
        (500, errors.Internal),
        (502, errors.Unavailable),
        (599, errors.ServerError),
    ],
)
def test_a_status_without_a_problem_is_told_by_its_number(peer, at_peer, status, kind):
    peer.answers = [Answer(status, "<html>" + "x" * 500, {"Content-Type": "text/html; charset=utf-8"})]
    with pytest.raises(errors.RegistryError, match="text/html") as caught:
        at_peer(retries=0).info()
    assert type(caught.value) is kind
    assert "<html>" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_page_instead_of_json_is_an_unexpected_answer(peer, faulty):
    for body in ("<html>hello</html>", "", "[" * 100_000, '"text"', "null", "[1]"):
        peer.answers = [Answer(200, body, {"Content-Type": "text/html"})]
        with pytest.raises(errors.UnexpectedAnswer):
            faulty.get_model("m1")
        with pytest.raises(errors.UnexpectedAnswer):
            list(faulty.list_models())


def test_an_error_survives_being_sent_to_another_process():
    for kind in {*errors.BY_TYPE.values(), errors.SecretLost, errors.InvalidArgument}:
        fault = kind("said", type="t", status=409, errors={"a": ["b"]}, request_id="r")
        again = pickle.loads(pickle.dumps(fault))
        assert (type(again), str(again), again.__dict__) == (kind, "said", fault.__dict__)
    assert not issubclass(errors.IdempotencyInProgress, errors.Conflict)


def test_a_redirect_is_not_followed_but_explained(peer, faulty):
    for status in (301, 302, 307, 308):
        peer.answers = [Answer(status, headers={"Location": "https://user:pw@registry.example/r/api/v1/models?x=1"})]
        with pytest.raises(errors.Redirected, match=r"set base_url to https://registry\.example/r/api\.") as caught:
            faulty.create_model("a/b", "x")
        assert "pw" not in str(caught.value)
    peer.answers = [Answer(302, headers={"Location": "/login"})]
    with pytest.raises(errors.Redirected, match="check base_url"):
        faulty.info()
    peer.answers = [Answer(302)]
    with pytest.raises(errors.Redirected):
        faulty.info()


def test_health_is_told_also_by_a_registry_that_is_ill_and_asked_once(peer, faulty):
    peer.answers = [Answer(503, {"status": "unhealthy", "database": "unreachable"})]
    assert not faulty.health().ok
    assert len(peer.asked) == 1
    peer.answers = [Answer(200, {"status": "healthy", "database": "ok", "version": "1"})]
    assert faulty.health().ok
    peer.answers = [Answer(503, "<html>")]
    with pytest.raises(errors.Unavailable):
        faulty.health()


def test_a_list_follows_links_by_their_query_alone(peer, faulty):
    def link(url):
        return {"Link": f'<{url}>; rel="next", </api/v1/models>; rel="first"'}

    peer.answers = [
        Answer(200, [{"id": "1"}, {"id": "2"}], link("http://inside.example:1/other/v1/models?cursor=a%3D&limit=2")),
        Answer(200, [], link("/api/v1/models?cursor=b")),
        Answer(200, [{"id": "3"}], link("?cursor=c")),
        Answer(200, [{"id": "4"}]),
    ]
    models = faulty.list_models(limit=2, search="x y&z")
    assert peer.asked == []
    assert [model.id for model in models] == ["1", "2", "3", "4"]
    queries = [asked.path.partition("?")[2] for asked in peer.asked]
    assert queries == ["search=x+y%26z&limit=2", "cursor=a%3D&limit=2", "cursor=b", "cursor=c"]


def test_a_link_that_leads_nowhere_ends_in_an_error_and_not_in_a_loop(peer, faulty):
    peer.answers = [Answer(200, [MODEL], {"Link": '<?name=a%2Fb>; rel="next"'})]
    with pytest.raises(errors.UnexpectedAnswer, match="points to this page"):
        list(faulty.list_models(name="a/b"))


def test_a_name_is_found_by_the_exact_filter_and_not_by_what_comes_first(peer, faulty):
    peer.answers = [Answer(200, [{"id": "m0", "name": "a/bc"}, {"id": "m1", "name": "A/b"}])]
    assert faulty.get_model(name="a/B").id == faulty.get_model_by_name("a/B").id == "m1"
    assert {asked.path for asked in peer.asked} == {"/api/v1/models?name=a%2FB"}
    with pytest.raises(errors.NotFound, match="There is no model named c"):
        faulty.get_model(name="c")


def test_latest_is_none_only_where_the_registry_says_so(peer, faulty):
    peer.answers = [problem(404, "not-found")]
    assert faulty.get_latest_version("a/b") is None
    peer.answers = [Answer(404, "<html>", {"Content-Type": "text/html"})]
    with pytest.raises(errors.NotFound, match="in front of the registry"):
        faulty.get_latest_version("a/b")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_worker_opens_connections_of_its_own(peer, faulty):
    peer.answers = [Answer(200, MODEL)]
    faulty.get_model("m1")
    before = faulty._transport._session
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = int(faulty.get_model("m1").id != "m1" or faulty._transport._session is before)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_registry_closes_its_pool_but_not_a_session_it_was_given(peer, at_peer):
    closed: list[str] = []

    class Session(requests.Session):
        def close(self):
            closed.append("yes")
            super().close()

    peer.answers = [Answer(200, MODEL)]
    session = Session()
    with at_peer(session=session) as registry:
        assert registry.get_model("m1").id == "m1"
    assert closed == []
    session.close()
