"""V8, as little of it as the worker needs: evaluate a text, call a function with a text.

This talks to the C interface of mini-racer's library directly. mini-racer's own Python layer
brings an event loop and a timer for scripts; the worker wants neither, and starts in half the
time without them. The functions used are listed in `SIGNATURES`; a test compares them with
the installed mini-racer, so a release that changes them is noticed before it is used.
"""

import _thread
import ctypes
from collections.abc import Callable

STRING, OBJECT, FUNCTION, ARRAY_BUFFER = 5, 10, 100, 102
ERRORS = range(200, 207)

Wait = Callable[[Callable[[float], bool]], None]
"""Called with a function that waits some seconds for V8 and tells whether V8 is done."""


class _Value(ctypes.Union):
    _fields_ = (
        ("pointer", ctypes.c_void_p),
        ("integer", ctypes.c_int64),
        ("double", ctypes.c_double),
    )


class _RawValue(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("value", _Value), ("length", ctypes.c_size_t), ("type", ctypes.c_uint8))


_HANDLE = ctypes.POINTER(_RawValue)
_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_uint64, _HANDLE)
_CONTEXT = ctypes.c_uint64

SIGNATURES = {
    "mr_init_v8": (None, (ctypes.c_char_p, ctypes.c_char_p)),
    "mr_init_context": (_CONTEXT, (_CALLBACK,)),
    "mr_free_context": (None, (_CONTEXT,)),
    "mr_eval": (ctypes.c_uint64, (_CONTEXT, _HANDLE, ctypes.c_uint64)),
    "mr_call_function": (
        ctypes.c_uint64,
        (_CONTEXT, _HANDLE, _HANDLE, _HANDLE, ctypes.c_uint64),
    ),
    "mr_get_object_item": (_HANDLE, (_CONTEXT, _HANDLE, _HANDLE)),
    "mr_alloc_string_val": (
        _HANDLE,
        (_CONTEXT, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint8),
    ),
    "mr_free_value": (None, (_CONTEXT, _HANDLE)),
    "mr_set_hard_memory_limit": (None, (_CONTEXT, ctypes.c_size_t)),
    "mr_hard_memory_limit_reached": (ctypes.c_bool, (_CONTEXT,)),
}


class EngineError(Exception):
    """V8 refused a text or a call; the message is V8's own."""


class Engine:
    """One V8 context. Calls wait through `wait`, which may decide to end the process."""

    def __init__(self, *, library: str, icu: str, flags: str, wait: Wait) -> None:
        self._library = _load(library)
        self._library.mr_init_v8(flags.encode(), icu.encode())
        self._wait = wait
        self._done = _thread.allocate_lock()
        self._done.acquire()
        self._answer = None
        # The callback must live as long as the context, or V8 would call freed memory.
        self._callback = _CALLBACK(self._receive)
        self._context = self._library.mr_init_context(self._callback)
        self._no_arguments = self.evaluate("[]")

    def close(self) -> None:
        """Stop V8's thread and free the context."""
        self._library.mr_free_context(self._context)

    def limit_heap(self, size: int) -> None:
        """Stop a script as soon as a garbage collection leaves more than `size` bytes."""
        self._library.mr_set_hard_memory_limit(self._context, size)

    def heap_limit_reached(self) -> bool:
        """Whether a script was stopped because the heap grew past its limit."""
        return self._library.mr_hard_memory_limit_reached(self._context)

    def evaluate(self, source: str) -> "ctypes._Pointer[_RawValue]":
        """Run `source` as a script and return the handle of its value; the caller keeps it."""
        code = self._text(source.encode())
        try:
            return self._run(self._library.mr_eval, code)
        finally:
            self._free(code)

    def member(self, value: "ctypes._Pointer[_RawValue]", name: str):
        """Return the handle of a property."""
        key = self._text(name.encode())
        try:
            return self._checked(self._library.mr_get_object_item(self._context, value, key))
        finally:
            self._free(key)

    def call(self, function: "ctypes._Pointer[_RawValue]", text: bytes = b"") -> bytes:
        """Call `function` with `text` as its `this` and return the text it returns.

        `this` saves building an argument list, which would be two more crossings to V8's
        thread for each call.
        """
        this = self._text(text)
        try:
            answer = self._run(self._library.mr_call_function, function, this, self._no_arguments)
        finally:
            self._free(this)
        try:
            return _read(answer) if answer.contents.type == STRING else b""
        finally:
            self._free(answer)

    def memory(self, buffer: "ctypes._Pointer[_RawValue]", kind: type):
        """Return a view of type `kind` on the memory of an ArrayBuffer."""
        return kind.from_address(buffer.contents.value.pointer)

    def _receive(self, _callback_id: int, answer: "ctypes._Pointer[_RawValue]") -> None:
        self._answer = answer
        self._done.release()

    def _run(self, function, *arguments):
        function(self._context, *arguments, 1)
        self._wait(lambda seconds: self._done.acquire(timeout=seconds))
        return self._checked(self._answer)

    def _checked(self, answer):
        if answer.contents.type not in ERRORS:
            return answer
        message = _read(answer).decode("utf-8", "replace")
        self._free(answer)
        raise EngineError(message)

    def _text(self, text: bytes):
        return self._library.mr_alloc_string_val(self._context, text, len(text), STRING)

    def _free(self, handle) -> None:
        self._library.mr_free_value(self._context, handle)


def _load(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def _read(handle) -> bytes:
    value = handle.contents
    return ctypes.string_at(value.value.pointer, value.length)
