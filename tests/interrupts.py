"""Interrupts of the main thread at chosen moments, as a user's come: the interpreter finds them, nobody raises them."""

import ctypes
import dis
import functools
import sys
import threading

CHECKED = frozenset({"CALL", "CALL_FUNCTION_EX", "CALL_KW", "JUMP_BACKWARD"})
"""Instructions after which the interpreter looks for an interrupt; it also does at the beginning of a function."""


class Interrupter:
    """Runs functions, and interrupts each when it comes to the moment `at` in modules whose names begin so."""

    def __init__(self, *modules, at=None):
        self.modules, self.at = tuple(["vmapcore." + name for name in modules]), at
        self.moments = {}
        """A function's code and the place in it, in the order in which they were met first."""
        self._as_parameter_ = ctypes.c_long(0)

    def __call__(self, function):
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return function()
        finally:
            sys.settrace(before)

    # An attribute, since no Python may run between this and the moment.
    interrupt = property(
        functools.partial(
            ctypes.pythonapi.PyThreadState_SetAsyncExc,
            ctypes.c_ulong(threading.main_thread().ident),
            ctypes.py_object(KeyboardInterrupt),
        )
    )

    def _enter(self, frame, event, arg):
        if not frame.f_globals.get("__name__", "").startswith(self.modules):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._moment(frame, -1)

    def _step(self, frame, event, arg):
        if event == "opcode" and frame.f_lasti in checked(frame.f_code):
            return self._moment(frame, frame.f_lasti)
        return self._step

    def _moment(self, frame, place):
        self.moments[frame.f_code, place] = True
        if (frame.f_code, place) != self.at:
            return self._step
        sys.settrace(None)
        return self.interrupt and None


@functools.cache
def checked(code):
    """Where in a function the interpreter looks for an interrupt, once it has run the instruction there."""
    return frozenset([i.offset for i in dis.get_instructions(code) if i.opname in CHECKED])


def moments(function, *modules):
    """Where it could be interrupted in these modules."""
    found = Interrupter(*modules)
    found(function)
    return list(found.moments)
