"""Signals that are held back until nothing is lost by them."""

import signal
import subprocess
import sys
import threading

import pytest

from cellwright.plugins.interrupts import check, held_back, never_a_failure, was_interrupted


def test_a_signal_waits_for_a_check():
    done = []

    def work():
        with held_back():
            check()
            signal.raise_signal(signal.SIGINT)
            done.append("went on")
            check()
            done.append("never reached")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    check()  # nothing is left of it


def test_a_signal_that_nobody_checks_comes_at_the_end():
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)


def test_an_inner_block_leaves_the_signal_to_the_outer_one():
    after = []

    def work():
        with held_back():
            with held_back():
                signal.raise_signal(signal.SIGINT)
            after.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert after == ["went on"]


def test_what_somebody_else_does_with_a_signal_stays():
    came = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            check()
    finally:
        signal.signal(signal.SIGINT, before)
    assert came == [signal.SIGINT]


def test_a_thread_of_its_own_changes_nothing():
    seen = []

    def work():
        with held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_an_interrupt_is_never_a_failure():
    def callback():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise RuntimeError("a callback failed") from error

    def meter():
        signal.raise_signal(signal.SIGINT)
        raise OSError("the process that measures was ended by the same Ctrl-C")

    for work in (callback, meter):
        with pytest.raises(KeyboardInterrupt), never_a_failure():
            work()
    with pytest.raises(ZeroDivisionError), never_a_failure():
        raise ZeroDivisionError
    assert not was_interrupted(None)


TWICE = """
import signal, time
from cellwright.plugins.interrupts import held_back

with held_back((signal.SIGINT, signal.SIGTERM), say="stopping", kill=True):
    signal.raise_signal(getattr(signal, "{first}"))
    print("went on", flush=True)
    signal.raise_signal(getattr(signal, "{second}"))
    print("never reached", flush=True)
"""


@pytest.mark.parametrize(
    ("first", "second"), [("SIGINT", "SIGINT"), ("SIGTERM", "SIGTERM"), ("SIGTERM", "SIGINT")]
)
def test_the_second_signal_ends_the_process_at_once(first, second):
    program = TWICE.format(first=first, second=second)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert ended.returncode == -getattr(signal, second)  # 128 + its number, in a shell
    assert ended.stdout == "went on\n"
    assert ended.stderr == "\nstopping\n"


def test_the_second_ctrl_c_of_a_library_is_as_always():
    done = []

    def work():
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("went on")
            with held_back():  # as in a child that begins all the same
                signal.raise_signal(signal.SIGINT)
            done.append("never reached")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    check()


AT_ONCE = """
import signal
from cellwright.plugins.interrupts import at_once, check, held_back

with at_once((signal.SIGINT, signal.SIGTERM), "stopped", 130):
    try:
        with held_back((signal.SIGINT, signal.SIGTERM)):
            signal.raise_signal(signal.SIGTERM)
            print("went on", flush=True)
            check()
    except KeyboardInterrupt:
        print("held back", flush=True)
    try:
        signal.raise_signal(signal.{name})
    finally:
        print("never reached", flush=True)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_where_nothing_is_to_save_a_signal_ends_the_process(name):
    ended = subprocess.run(
        [sys.executable, "-c", AT_ONCE.format(name=name)], capture_output=True, text=True,
        timeout=60, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (130, "went on\nheld back\n")
    assert ended.stderr == "\nstopped\n"
