"""What the worker gives up before the first script runs: files, sockets, processes, memory.

V8 keeps scripts inside by itself. These are the walls behind it, for the day V8 has a hole:
resource limits everywhere, and on Linux a filter that refuses every system call but those that
compute, wait, allocate, and speak through the pipes that are open already.
"""

import ctypes
import os
import resource
import sys

#: Requests, V8's messages, V8's errors and answers: descriptors 0 to 3, and no other ever.
DESCRIPTORS = 4

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1
_ALLOW, _REFUSE_EPERM = 0x7FFF0000, 0x00050001
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_OFFSET_NUMBER, _OFFSET_MACHINE = 0, 4

#: machine -> (its number for the filter, the call that installs a filter, the calls allowed).
_MACHINES = {
    "x86_64": (
        0xC000003E,
        317,
        {
            "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9,
            "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14,
            "rt_sigreturn": 15, "sched_yield": 24, "mremap": 25, "madvise": 28,
            "nanosleep": 35, "getpid": 39, "exit": 60, "gettimeofday": 96, "getrlimit": 97,
            "getrusage": 98, "sysinfo": 99, "times": 100, "getppid": 110, "sigaltstack": 131,
            "gettid": 186, "futex": 202, "sched_getaffinity": 204, "restart_syscall": 219,
            "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230,
            "exit_group": 231, "ppoll": 271, "set_robust_list": 273, "getrandom": 318,
            "membarrier": 324, "pkey_mprotect": 329, "pkey_alloc": 330, "pkey_free": 331,
            "rseq": 334,
        },
    ),
    "aarch64": (
        0xC00000B7,
        277,
        {
            "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mmap": 222,
            "mprotect": 226, "munmap": 215, "brk": 214, "rt_sigaction": 134,
            "rt_sigprocmask": 135, "rt_sigreturn": 139, "sched_yield": 124, "mremap": 216,
            "madvise": 233, "nanosleep": 101, "getpid": 172, "exit": 93, "gettimeofday": 169,
            "getrlimit": 163, "getrusage": 165, "sysinfo": 179, "times": 153, "getppid": 173,
            "sigaltstack": 132, "gettid": 178, "futex": 98, "sched_getaffinity": 123,
            "restart_syscall": 128, "clock_gettime": 113, "clock_getres": 114,
            "clock_nanosleep": 115, "exit_group": 94, "ppoll": 73, "set_robust_list": 99,
            "getrandom": 278, "membarrier": 283, "pkey_mprotect": 288, "pkey_alloc": 289,
            "pkey_free": 290, "rseq": 293,
        },
    ),
}  # fmt: skip


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("operand", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


def die_with_parent() -> None:
    """Have Linux end this process when the thread that started it ends."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)


def confine(memory: int) -> list[str]:
    """Put up the walls, `memory` bytes from now on among them; return those that stand."""
    walls = []
    if _limit_memory(memory):
        walls.append("memory")
    for name, limit in (("CORE", 0), ("FSIZE", 0), ("NPROC", 0), ("NOFILE", DESCRIPTORS)):
        if _limit(name, limit):
            walls.append(name.lower())
    if _filter_calls():
        walls.append("calls")
    return walls


def _limit_memory(memory: int) -> bool:
    # V8 reserves terabytes of addresses, so the address space cannot be limited. Linux also
    # limits writable private memory, and counts it when it is committed, not when reserved.
    in_use = _data_size()
    return in_use is not None and _limit("DATA", in_use + memory)


def _data_size() -> int | None:
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 (as in serve)
            for line in status:
                if line.startswith("VmData:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None


def _limit(name: str, limit: int) -> bool:
    kind = getattr(resource, f"RLIMIT_{name}", None)
    if kind is None:
        return False
    try:
        resource.setrlimit(kind, (limit, limit))
    except (OSError, ValueError):
        return False
    return True


def _filter_calls() -> bool:
    if sys.platform != "linux" or os.uname().machine not in _MACHINES:
        return False
    machine, install, allowed = _MACHINES[os.uname().machine]
    program = _program(machine, sorted(allowed.values()))
    libc = _libc()
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    # With TSYNC the filter holds for V8's thread too, which is running by now.
    mode, flags = _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC
    return libc.syscall(install, mode, flags, ctypes.byref(program)) == 0


def _program(machine: int, allowed: list[int]) -> _Program:
    lines = [
        (_LOAD, 0, 0, _OFFSET_MACHINE),
        (_JUMP_IF_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _REFUSE_EPERM),
        (_LOAD, 0, 0, _OFFSET_NUMBER),
    ]
    # Each test jumps over the tests that remain and the refusal, to the last line.
    lines += [
        (_JUMP_IF_EQUAL, len(allowed) - index, 0, number) for index, number in enumerate(allowed)
    ]
    lines += [(_RETURN, 0, 0, _REFUSE_EPERM), (_RETURN, 0, 0, _ALLOW)]
    instructions = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    return _Program(len(lines), instructions)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
