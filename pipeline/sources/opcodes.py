"""Plain values out of a Python object stream, with nothing in it ever imported or called.

A package may carry its data as a stored Python object. Loading one the usual way runs whatever it
names. Here the stream is only read (``pickletools`` lists its instructions): numbers, texts and
containers become themselves, and each call it asks for becomes an inert ``Call`` that holds the
name and the arguments.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

from pipeline.core.errors import UserError


@dataclass(eq=False)
class Call:
    """A call or a class that the stream names; ``state`` is what it would be set to afterwards."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


_MARK = object()
_CONSTANTS = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_opcodes(stream: bytes) -> Any:
    """The value a stream describes, calls left undone as ``Call``.

    Raises UserError for an instruction that data does not need, or a stream that is cut.
    """
    stack: list[Any] = []
    memo: list[Any] = []

    def above_mark() -> list[Any]:
        position = len(stack) - 1 - stack[::-1].index(_MARK)
        items = stack[position + 1 :]
        del stack[position:]
        return items

    try:
        argument: Any
        for opcode, argument, _ in pickletools.genops(stream):
            match opcode.name:
                case "PROTO" | "FRAME":
                    pass
                case "STOP":
                    return stack.pop()
                case "MARK":
                    stack.append(_MARK)
                case "MEMOIZE":
                    memo.append(stack[-1])
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "EMPTY_LIST":
                    stack.append([])
                case "EMPTY_DICT":
                    stack.append({})
                case "TUPLE":
                    stack.append(tuple(above_mark()))
                case "APPEND":
                    item = stack.pop()
                    stack[-1].append(item)
                case "APPENDS":
                    items = above_mark()
                    stack[-1].extend(items)
                case "SETITEM":
                    value, key = stack.pop(), stack.pop()
                    stack[-1][key] = value
                case "SETITEMS":
                    items = above_mark()
                    stack[-1].update(zip(items[::2], items[1::2]))
                case "STACK_GLOBAL":
                    name, _module = stack.pop(), stack.pop()
                    stack.append(Call(name))
                case "REDUCE" | "NEWOBJ":
                    arguments, called = stack.pop(), stack.pop()
                    stack.append(Call(called.name, arguments))
                case "BUILD":
                    state = stack.pop()
                    stack[-1].state = state
                case name if name in _TUPLES:
                    size = _TUPLES[name]
                    items = stack[len(stack) - size :]
                    del stack[len(stack) - size :]
                    stack.append(tuple(items))
                case name if name in _CONSTANTS:
                    stack.append(_CONSTANTS[name])
                case name if name in _LITERALS:
                    stack.append(argument)
                case name:
                    raise UserError(f"stored object: instruction {name} is not for plain data; it was not followed")
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise UserError(f"stored object: damaged or not plain data ({error})") from None
    raise UserError("stored object: ends before its end")
