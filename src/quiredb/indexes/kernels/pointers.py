"""Typed pointers, which kernels index like arrays.

An array that goes into a helper is taken apart, and what it owns is counted up and down; a pointer is one number. The
memory behind it must be held by somebody else for as long as the pointer is used. Indices are not wrapped around.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


def _pointer_to(element: Any) -> Any:
    @intrinsic
    def pointer(typing_context: Any, address: Any) -> Any:
        result = types.CPointer(element)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(result))

        return result(types.uintp), generate

    return pointer


int32_pointer, int64_pointer = _pointer_to(types.int32), _pointer_to(types.int64)
uint64_pointer, float32_pointer = _pointer_to(types.uint64), _pointer_to(types.float32)


@intrinsic
def address_of(typing_context: Any, pointer: Any) -> Any:
    """The address that a pointer holds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], context.get_value_type(types.uintp))

    return types.uintp(pointer), generate
