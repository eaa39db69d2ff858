"""The same few words as tests/support/harness.h: named tests, SKIP with a reason, closing counts."""

import sys
import traceback

_tests = []


class Skip(Exception):
    """Raised by a test that cannot run here; its text says why."""


def test(function):
    """Registers a test; its name is a sentence. It is called with what main() was given."""
    _tests.append(function)
    return function


def equal(what, got, want):
    if got != want:
        raise AssertionError(f"{what} is {got!r}, expected {want!r}")


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def main(*arguments):
    """Runs the tests (all, or those whose names contain a word of the command line), exits."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    passed = failed = skipped = 0
    for function in _tests:
        name = function.__name__
        if words and not any(word in name for word in words):
            continue
        print(f"- {name}", flush=True)
        try:
            function(*arguments)
            passed += 1
        except Skip as reason:
            print(f"  skipped: {reason}")
            skipped += 1
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f"  FAILED {name}")
            failed += 1
    return close(passed, failed, skipped)


def close(passed, failed, skipped=0):
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0
