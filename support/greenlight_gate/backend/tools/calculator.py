"""A calculator with a parser for numbers and six operators."""

import ast
import math
import operator
from collections.abc import Callable
from types import MappingProxyType

from greenlight_gate.backend.tools.tool import ToolResult, ToolTask

_MAX_CHARACTERS = 200
_MAX_BITS = 1_024

Number = int | float
_BINARY: MappingProxyType[type[ast.operator], Callable[[Number, Number], Number]] = MappingProxyType(
    {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
)


class SumError(Exception):
    """The expression cannot be evaluated; the message says why."""


async def work_out(task: ToolTask) -> ToolResult:
    """Evaluate the parameter `expression`."""
    try:
        return ToolResult(ok=True, text=written(evaluate(task.parameters["expression"])))
    except SumError as error:
        return ToolResult(ok=False, text=str(error))


def evaluate(expression: str) -> Number:
    """Return the value of an expression of numbers, + - * / ** and parentheses.

    Raises SumError if it contains anything else, divides by zero, or grows beyond 1,024 bits.
    """
    if len(expression) > _MAX_CHARACTERS:
        raise SumError(f"the sum is longer than {_MAX_CHARACTERS} characters")
    try:
        tree = ast.parse(expression, mode="eval")
        return _bounded(_value(tree.body))
    except (SyntaxError, ValueError, MemoryError):
        raise SumError("this is not a sum that I understand") from None
    except ZeroDivisionError:
        raise SumError("nothing can be divided by zero") from None
    except OverflowError:
        raise SumError("the numbers are too large") from None


def written(value: Number) -> str:
    """Format a number: no trailing `.0`, at most ten digits after the point."""
    if isinstance(value, float):
        value = round(value, 10)
        if value.is_integer() and abs(value) < 1e15:
            value = int(value)
    return str(value)


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=bool()):
            raise SumError("this is not a number")
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_bounded(_value(left)), _bounded(_value(right)))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _bounded(_BINARY[type(sign)](_value(left), _value(right)))
        case _:
            raise SumError("this is not a sum that I understand")


def _power(base: Number, exponent: Number) -> Number:
    # Checked before it is evaluated: 9**9**9 would block the whole server.
    if abs(base) > 1 and abs(exponent) * math.log2(abs(base)) > _MAX_BITS:
        raise SumError("the numbers are too large")
    if base < 0 and not float(exponent).is_integer():
        raise SumError("the result is not a real number")
    result: Number = base**exponent
    return result


def _bounded(value: Number) -> Number:
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise SumError("the numbers are too large")
    if isinstance(value, float) and not math.isfinite(value):
        raise SumError("the numbers are too large")
    return value
