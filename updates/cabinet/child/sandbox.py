"""What the child gives up before it looks at a single byte of the cabinet.

The kernel enforces three things: how much the child may use (rlimits), that it can gain no rights (no_new_privs),
and on x86_64 which system calls it may make (seccomp; any other call ends it with SIGSYS). Where the kernel or an
outer sandbox offers no seccomp the first two stay.
"""

import ctypes
import os
import resource
import signal
import struct
import sys
from dataclasses import dataclass

# <linux/prctl.h>, <linux/seccomp.h>, <linux/audit.h>, <linux/bpf_common.h>
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_KILL_PROCESS, _ALLOW = 0x8000_0000, 0x7FFF_0000
_AUDIT_ARCH_X86_64 = 0xC000_003E
_LOAD, _EQUAL, _HAS_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _THIRD_ARGUMENT_AT = 0, 4, 32
_PROT_EXEC = 4

# x86_64 numbers: read, write, close, fstat, lseek, munmap, brk, rt_sigaction, rt_sigprocmask, rt_sigreturn, pread64,
# mremap, madvise, exit, sigaltstack, futex, clock_gettime, exit_group, getrandom
_ALLOWED = (0, 1, 3, 5, 8, 11, 12, 13, 14, 15, 17, 25, 28, 60, 131, 202, 228, 231, 318)
_ALLOWED_WITHOUT_EXEC = (9, 10)  # mmap, mprotect


@dataclass(frozen=True, slots=True)
class Allowance:
    """Processor seconds and bytes of data memory."""

    cpu_seconds: int
    data_bytes: int


def limit(allowance: Allowance) -> None:
    """Set the rlimits that do not hinder loading a library. None is raised above what is in force already."""
    for kind, value in (
        (resource.RLIMIT_CPU, allowance.cpu_seconds),
        (resource.RLIMIT_DATA, allowance.data_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        _, hard = resource.getrlimit(kind)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # At the hard limit of processor time the kernel kills without a name; at the soft one the signal is SIGXCPU.
        spare = int(kind == resource.RLIMIT_CPU and most != hard)
        resource.setrlimit(kind, (most, most + spare))


def close() -> None:
    """Shut the doors, after every library and file the child needs is open."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    # Whoever started this child and died wants no answer.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        and os.uname().machine == "x86_64"
        and sys.maxsize > 1 << 32
    ):
        _filter_calls(libc)


def _filter_calls(libc: ctypes.CDLL) -> None:
    program = call_filter()
    code = ctypes.create_string_buffer(program, len(program))
    count = len(program) // 8
    # struct sock_fprog: a 16-bit count, padding, a pointer.
    header = ctypes.create_string_buffer(struct.pack("@HxxxxxxQ", count, ctypes.addressof(code)))
    # A refusal (no seccomp in this kernel or container) leaves the rlimits in force.
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header), 0, 0)


def call_filter() -> bytes:
    """The seccomp program, as an array of struct sock_filter. Jumps count instructions to skip."""
    steps = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_EQUAL, 1, 0, _AUDIT_ARCH_X86_64),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    for number in _ALLOWED:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for number in _ALLOWED_WITHOUT_EXEC:
        steps += [
            (_EQUAL, 0, 4, number),
            (_LOAD, 0, 0, _THIRD_ARGUMENT_AT),
            (_HAS_BITS, 0, 1, _PROT_EXEC),
            (_RETURN, 0, 0, _KILL_PROCESS),
            (_RETURN, 0, 0, _ALLOW),
        ]
    steps.append((_RETURN, 0, 0, _KILL_PROCESS))
    return b"".join(struct.pack("<HBBI", *step) for step in steps)
