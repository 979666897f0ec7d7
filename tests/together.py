"""Cases that are too small for a test each: pytest takes milliseconds for every test, whatever it does."""

import functools

import pytest


def together(argument, cases, name=repr, kind=lambda case: "all"):
    """Makes a test of one case a test of all cases of a kind, by default of all; an error says in which case it was."""
    kinds = {}
    for case in cases:
        kinds.setdefault(kind(case), []).append(case)

    def decorate(test):
        @functools.wraps(test)
        def every(**given):
            for case in given.pop(argument):
                try:
                    test(**given, **{argument: case})
                except BaseException as error:
                    error.add_note(f"{argument}: {name(case)}")
                    raise

        return pytest.mark.parametrize(argument, kinds.values(), ids=kinds)(every)

    return decorate
