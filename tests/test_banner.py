"""The key and the address are printed once, after the last worker of a start; the key also when the start fails."""

import pytest

from catapult.server.banner import Banner

URL, KEY = "http://127.0.0.1:8000", "cat_8fK2mQ9x_secret"


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("key", [KEY, None])
def test_the_last_worker_of_a_start_prints_and_later_ones_do_not(capsys, workers, key):
    banner = Banner(URL, key, workers)
    for _ in range(workers - 1):
        banner.worker_started(None)
    assert capsys.readouterr().out == ""
    banner.worker_started(None)
    rule, *lines, last = capsys.readouterr().out.split("\n")[1:-2]
    assert rule == last
    assert lines[-1].endswith(f" at {URL}")
    assert [line for line in lines if "Key:" in line] == ([f"Key: {KEY}"] if key else [])
    banner.worker_started(None)
    banner.finish()
    assert capsys.readouterr().out == ""


def test_what_people_open_is_the_last_line_where_it_is_another_address(capsys):
    Banner(URL, None, 1, "https://ml.example.com/catapult").worker_started(None)
    first, last = capsys.readouterr().out.split("\n")[2:4]
    assert first.endswith(f" at {URL}")
    assert last == "Open it at https://ml.example.com/catapult"


@pytest.mark.parametrize("key", [KEY, None])
def test_a_start_that_fails_prints_the_key_and_no_address(capsys, key):
    banner = Banner(URL, key, 2)
    banner.worker_started(None)
    banner.finish()
    printed = capsys.readouterr().out
    assert (f"\nKey: {KEY}\n" in printed, URL in printed) == (bool(key), False)
    assert key or not printed
