"""Memory asked for ahead of its use."""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LINE = 64  # bytes that come together


@intrinsic
def prefetch(typing_context, values, index):
    """Asks for the cache line of values[index] of a flat array, wherever that is. Changes nothing, and is nothing on
    machines that have no such instruction."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), cgutils.voidptr_t)
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(ask, [pointer, number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.none(values, types.intp), generate
