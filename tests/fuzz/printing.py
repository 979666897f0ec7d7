"""A find as a program that can be pasted, and shows it again."""

from .checking import axes

PASTED = """
# Program {seed}: {message}
import numpy as np
from vmapcore.nn import functional as F
from tests.fuzz.checking import Check, run
from tests.fuzz.programs import Input, Program, Result

{source}
program = {program!r}
# with {axes}
run({check!r}, program, {later!r})
"""


def printed(seed, check, program, later, message):
    """Source that raises the error again: with the function to read, and the program to run."""
    shown = ", ".join([f"{name}={value!r}" for name, value in axes(program).items() if name in check.actual])
    return PASTED.format(
        seed=seed,
        message=message.replace("\n", " "),
        source=program.source,
        program=program,
        axes=shown,
        check=check,
        later=later,
    )
