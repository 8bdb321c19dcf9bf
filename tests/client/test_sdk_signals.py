"""A process that is ended in the middle of `with registry.deployment(…)` says so before it goes."""

import os
import signal
import subprocess
import sys
import threading
import time
from subprocess import PIPE

import pytest
from catapult_client import signals
from peer import KEY, Answer

RUNNING = Answer(200, {"id": "d1", "status": "running", "metadata": {"replicas": 3}})
FAILED = Answer(200, {"id": "d1", "status": "failed"})

PROGRAM = """
import os, signal, sys, time
from catapult import Registry
registry = Registry(sys.argv[1], sys.argv[2], retries=0)
{before}
with registry.deployment("v1", "staging") as d:
    {block}
print("after the block", flush=True)
"""
SLEEP = "print('in the block', flush=True); time.sleep(60)"


@pytest.fixture
def started(peer):
    """A function that runs a program with a deployment until it is in the block, and returns its process."""
    processes = []

    def start(before="", block=SLEEP):
        code = PROGRAM.format(before=before, block=block)
        command = [sys.executable, "-c", code, peer.url, KEY]
        process = subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "in the block\n", process.communicate()
        return process

    peer.answers = [RUNNING, RUNNING, RUNNING, FAILED]
    yield start
    for process in processes:
        process.kill()
        process.communicate()


def statuses(peer):
    return [asked.body.get("status") for asked in peer.asked if asked.body]


def ended(process):
    """Return what the process still wrote, and its status; a signal's is negative."""
    out, err = process.communicate(timeout=30)
    assert KEY not in err
    return process.returncode, out, err


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_the_deployment_is_failed_and_the_process_ends_by_the_signal(peer, started, name):
    process = started()
    process.send_signal(getattr(signal, name))
    assert ended(process) == (-getattr(signal, name), "", "")
    assert statuses(peer) == ["pending", "running", "failed"]
    assert peer.asked[-1].body["metadata"] == {
        "replicas": 3,
        "error": f"Terminated: the process received {name}",
    }


HANDLER = "def handle(number, frame):\n    print('handled', number, flush=True)\n    {then}\n"
HANDLER += "signal.signal(signal.SIGTERM, handle)"


@pytest.mark.parametrize(
    ("then", "status"),
    [
        ("sys.exit(7)", 7),
        ("os._exit(7)", 7),
        ("pass", 128 + signal.SIGTERM),
        ("signal.signal(number, signal.SIG_DFL); os.kill(os.getpid(), number)", -signal.SIGTERM),
    ],
    ids=["exits", "exits at once", "returns", "kills"],
)
def test_the_programs_own_handler_runs_after_the_report(peer, started, then, status):
    process = started(HANDLER.format(then=then))
    process.terminate()
    code, out, _ = ended(process)
    assert (code, out) == (status, f"handled {int(signal.SIGTERM)}\n")
    assert statuses(peer) == ["pending", "running", "failed"]


def test_a_signal_that_is_ignored_stays_ignored(peer, started):
    process = started("signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.terminate()
    ended(process)
    assert statuses(peer) == ["pending", "running", "failed"]


def test_a_block_that_catches_everything_is_failed_all_the_same(peer, started):
    process = started(block=f"try: {SLEEP}\n    except BaseException: print('caught', flush=True)")
    process.terminate()
    assert ended(process) == (-signal.SIGTERM, "caught\n", "")
    assert statuses(peer) == ["pending", "running", "failed"]


def test_a_success_that_is_being_reported_is_reported_to_the_end(peer, started):
    def slow(asked):
        process.terminate()
        time.sleep(0.5)
        return Answer(200, {"id": "d1", "status": "success", "live": True})

    peer.answers = [RUNNING, RUNNING, slow]
    process = started(block="print('in the block', flush=True); time.sleep(0.5)")
    assert ended(process) == (-signal.SIGTERM, "", "")
    assert statuses(peer) == ["pending", "running", "success"]


def test_a_second_signal_ends_the_wait_for_a_registry_that_does_not_answer(peer, started):
    peer.answers = [RUNNING, RUNNING, Answer(hold=60)]
    process = started()
    for _ in range(2):
        process.terminate()
        time.sleep(0.5)
    assert ended(process)[0] == -signal.SIGTERM


def test_of_two_deployments_in_each_other_both_are_failed(peer, started):
    block = f"with registry.deployment('v1', 'other'):\n        {SLEEP}"
    peer.answers = [RUNNING]
    process = started(block=block)
    process.terminate()
    assert ended(process)[0] == -signal.SIGTERM
    assert statuses(peer).count("failed") == 2


def test_a_child_that_was_forked_from_the_block_reports_nothing(peer, started):
    block = "print('in the block', flush=True); pid = os.fork()\n    if not pid:\n        time.sleep(20)\n        os._exit(0)\n    "
    block += "time.sleep(0.5); os.kill(pid, signal.SIGTERM); print(os.waitpid(pid, 0)[1], flush=True)"
    process = started(block=block)
    peer.answers = [Answer(200, {"id": "d1", "status": "success"})]
    assert ended(process) == (0, f"{int(signal.SIGTERM)}\nafter the block\n", "")
    assert statuses(peer) == ["pending", "running", "success"]


@pytest.mark.parametrize(("then", "status"), [("", 0), ("assert pid", 1), ("sys.exit(3) if not pid else None", 3)])
def test_a_forked_child_that_leaves_the_block_reports_nothing(peer, started, then, status):
    block = "print('in the block', flush=True); pid = os.fork()\n    "
    block += f"if pid: print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)\n    {then or 'pass'}"
    process = started(block=block)
    peer.answers = [Answer(200, {"id": "d1", "status": "success"})]
    code, out, _ = ended(process)
    assert code == 0
    assert out.splitlines()[-2:] == [str(status), "after the block"]
    assert statuses(peer) == ["pending", "running", "success"]


# --- the handlers, in this process


@pytest.fixture
def former():
    """A handler of SIGTERM that notes each signal; the one before it comes back after the test."""
    noted = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: noted.append(number))
    yield noted
    signal.signal(signal.SIGTERM, before)


def test_handlers_are_installed_around_the_block_only(peer, faulty, former):
    peer.answers = [RUNNING, RUNNING, Answer(200, {"id": "d1", "status": "success"})]
    before = [signal.getsignal(number) for number in signals.ENDING]
    with faulty.deployment("v1", "staging"):
        assert [signal.getsignal(number) for number in signals.ENDING] != before
    assert [signal.getsignal(number) for number in signals.ENDING] == before
    os.kill(os.getpid(), signal.SIGTERM)
    assert former == [signal.SIGTERM]


def test_a_handler_that_the_block_set_stays(peer, faulty, former):
    def own(number, frame):
        pass

    peer.answers = [RUNNING]
    with faulty.deployment("v1", "staging"):
        signal.signal(signal.SIGTERM, own)
    assert signal.getsignal(signal.SIGTERM) is own


def test_in_another_thread_none_is_installed(peer, faulty, former):
    def run():
        with faulty.deployment("v1", "staging"):
            seen.append(signal.getsignal(signal.SIGTERM))

    seen = []
    before = signal.getsignal(signal.SIGTERM)
    peer.answers = [RUNNING]
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


def test_on_error_warn_a_deployment_that_was_never_created_installs_none(peer, soft, former):
    peer.answers = [Answer(drop=True)]
    before = signal.getsignal(signal.SIGTERM)
    with soft.deployment("v1", "staging"):
        assert signal.getsignal(signal.SIGTERM) is before
