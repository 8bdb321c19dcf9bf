"""Connections go to the processes for files in turn, and none is lost with one of them."""

import os
import signal
import socket
import time
from collections import Counter

import pytest

from catapult.server.file_process import Body
from catapult.server.handover import HandedOver, Handover

PROCESSES, CONNECTIONS = 3, 30


@pytest.fixture
def handover():
    """A handover, and the processes that read from it, each of which answers with its number."""
    handover, children = Handover(), []
    for number in range(PROCESSES):
        child = os.fork()
        if not child:
            serve(handover, number)
        children.append(child)
    yield handover, children
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    handover.reading.close()
    handover.writing.close()


def serve(handover, number):
    while True:
        if taken := handover.take():
            taken.sock.sendall(b"%d" % number)
            taken.sock.close()


def asked(handover):
    """The number of the process that answers; "" if a process took the connection with it when it ended."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert handover.give(HandedOver(theirs, b"GET / HTTP/1.1\r\n\r\n", ["", 0], ["", 0]))
        theirs.close()
        ours.settimeout(5)
        return ours.recv(10).decode()


def test_each_process_gets_its_share(handover):
    shares = Counter()
    for _ in range(CONNECTIONS):
        time.sleep(0.005)
        shares[asked(handover[0])] += 1
    assert len(shares) == PROCESSES
    assert min(shares.values()) >= CONNECTIONS // PROCESSES // 2


def test_a_process_that_is_killed_takes_no_later_connection_with_it(handover):
    ends, children = handover
    for victim in children[:-1]:
        asked(ends)
        os.kill(victim, signal.SIGKILL)
        os.waitid(os.P_PID, victim, os.WEXITED | os.WNOWAIT)  # until then it may take one more; the fixture reaps it
        assert all(asked(ends) for _ in range(5))


def test_a_body_has_arrived_once_its_rest_can_be_read_at_once():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        body = Body(HandedOver(theirs, b"PUT / HTTP/1.1\r\n\r\nfirst", ["", 0], ["", 0]), 10)
        assert not body.has_arrived()
        ours.sendall(b" las")
        assert not body.has_arrived()
        ours.sendall(b"t of this and the next request")
        assert body.has_arrived()
        assert body.read(10) == b"first"
        assert body.has_arrived()
        assert body.read(10) == b" last"
        assert body.has_arrived()
        assert body.read(10) == b""
