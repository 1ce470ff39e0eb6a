"""Runs a program for which a system call is refused, as container runtimes do it."""

import errno
import sys

IO_URING_SETUP, LANDLOCK_CREATE_RULESET = 425, 444
SCRIPT = """
import ctypes, os, struct, sys
# A seccomp filter that answers this call with the errno given.
call, errno = int(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
code = [(0x20, 0, 0, 0), (0x15, 0, 1, call), (0x06, 0, 0, 0x00050000 | errno), (0x06, 0, 0, 0x7fff0000)]
program = b"".join(struct.pack("HBBI", *line) for line in code)
buffer = ctypes.create_string_buffer(program)
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
argument = Filter(len(code), ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(argument), 0, 0) == 0
os.execv(sys.argv[3], sys.argv[3:])
"""


def refusing(call, number=errno.EPERM):
    """What stands before the command; its program is named by the whole path."""
    return [sys.executable, "-c", SCRIPT, str(call), str(number)]
