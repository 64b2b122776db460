"""What a check says about a piece of code, before it is known how the lint came there."""

import ast

from attrs import frozen


@frozen(eq=False)
class Remark:
    """One thing that a check found."""

    code: str
    node: ast.AST
    it: str
    """The code in question, as it is named in the message."""
    fix: str | None = None
    """What to do instead, where the rule's own fix is too general."""


def shown(node: ast.AST, longest: int = 60) -> str:
    """A piece of code as one short line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= longest else text[: longest - 3] + "..."


def called(node: ast.Call) -> str:
    """A call without its arguments."""
    return f"{shown(node.func)}({'...' if node.args or node.keywords else ''})"
