"""A program's text and its syntax tree, with places a person can find: what every check of the parse gate starts from.

The text is checked before Python's parser sees it (size, lines, nesting, characters), and the parser's own failures become refusals.
"""

from __future__ import annotations

import ast
import io
import re
import threading
import tokenize
import unicodedata
import warnings
from dataclasses import dataclass
from typing import Final

from sandbox.errors import Gate, Refusal
from sandbox.language import limits
from sandbox.language.trees import parse_module

_COOKIE: Final = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format (bidirectional marks), surrogates, odd line ends
_STRINGS_AND_COMMENTS: Final = re.compile(
    r"'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^\\'\n])*'|\"(?:\\.|[^\\\"\n])*\"|#[^\n]*", re.DOTALL
)
_PARSING: Final = threading.Lock()  # `warnings.catch_warnings` changes process-wide state


def refuse(code: str, message: str, remedy: str, line: int = 0, column: int = 0) -> Refusal:
    """A refusal of the parse gate, to be raised by the caller."""
    return Refusal(Gate.PARSE, code, message, remedy, line, column)


@dataclass(frozen=True)
class Source:
    """A text that Python can parse, and its tree."""

    text: str
    lines: tuple[str, ...]
    tree: ast.Module

    def fault(self, node: ast.AST, code: str, message: str, remedy: str) -> Refusal:
        """A refusal that points at `node`."""
        line, column = self.place(node)
        return refuse(code, message, remedy, line, column)

    def place(self, node: ast.AST) -> tuple[int, int]:
        """Line and column of `node`, both 1-based, in characters (the tree counts bytes from 0); (0, 0) if it has none."""
        line = getattr(node, "lineno", 0)
        if not 1 <= line <= len(self.lines):
            return line, 0
        before = self.lines[line - 1].encode()[: getattr(node, "col_offset", 0)]
        return line, len(before.decode(errors="replace")) + 1


def read_source(text: str) -> Source:
    """Checks the bounds of `text` and parses it. Raises Refusal."""
    _check_size(text)
    _check_characters(text)
    _check_nesting(text)
    tree = parse_python(text)
    source = Source(text, tuple(text.split("\n")), tree)
    _check_tree_size(source)
    _check_ascii(source)
    return source


def is_hidden(character: str) -> bool:
    """True for what a reader cannot see: control and format characters, odd line separators, lone surrogates."""
    return character not in "\n\t" and unicodedata.category(character) in _HIDDEN


def _check_size(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > limits.TEXT_BYTES:
        raise refuse("too-long", f"The program has {size:,} bytes.", f"At most {limits.TEXT_BYTES:,} are allowed: shorten it.")
    lines = text.rstrip("\n").split("\n")
    if len(lines) > limits.LINES:
        raise refuse("too-many-lines", f"The program has {len(lines)} lines.", f"At most {limits.LINES} are allowed.", limits.LINES + 1, 1)
    for number, line in enumerate(lines, 1):
        if len(line) > limits.LINE_CHARACTERS:
            column = limits.LINE_CHARACTERS + 1
            raise refuse("long-line", f"Line {number} has {len(line)} characters.", "At most 160 are allowed: break it.", number, column)
    for number, line in enumerate(lines[:2], 1):
        if _COOKIE.match(line):
            raise refuse("coding-cookie", "A comment declares an encoding.", "Programs are UTF-8: remove the comment.", number, 1)


def _check_characters(text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if line.isascii() and line.isprintable():
            continue
        for column, character in enumerate(line, 1):
            if is_hidden(character):
                name = f"U+{ord(character):04X}"
                remedy = "Use plain spaces and \\n line ends only."
                raise refuse("control-character", f"The text holds the invisible character {name}.", remedy, number, column)


def _check_nesting(text: str) -> None:
    """Brackets and indentation, counted on the text with strings and comments blanked out (newlines kept)."""
    blanked = _STRINGS_AND_COMMENTS.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    depth = 0
    indents = [0]
    for number, line in enumerate(blanked.split("\n"), 1):
        if depth == 0 and line.strip():
            _track_indent(indents, len(line) - len(line.lstrip()))
        for column, character in enumerate(line, 1):
            depth += (character in "([{") - (character in ")]}" and depth > 0)
            if depth + len(indents) - 1 > limits.NESTING:
                message = f"The code is nested deeper than {limits.NESTING} levels."
                raise refuse("too-nested", message, "Name intermediate results or write a helper function.", number, column)


def _track_indent(indents: list[int], indent: int) -> None:
    while indents and indents[-1] > indent:
        indents.pop()
    if not indents or indents[-1] < indent:
        indents.append(indent)


def parse_python(text: str) -> ast.Module:
    """The syntax tree of a text of bounded size. Raises Refusal where Python cannot read it."""
    try:
        with _PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return parse_module(text)
    except SyntaxError as error:
        raise _from_syntax_error(error) from None
    except (RecursionError, MemoryError):  # the parser's own guards against deep chains of operators
        raise refuse("too-nested", "The code is nested too deeply to be parsed.", "Name intermediate results.") from None
    except ValueError as error:
        raise refuse("syntax", f"The text is not Python: {error}.", "Reply with one complete module.") from None


def _from_syntax_error(error: SyntaxError) -> Refusal:
    line, column = error.lineno or 0, error.offset or 0
    if "invalid character" in error.msg or "invalid non-printable" in error.msg:
        remedy = "Code is ASCII: use plain quotes, - and *. Other characters may stand in docstrings and comments."
        return refuse("not-ascii", f"{error.msg[0].upper()}{error.msg[1:]}.", remedy, line, column)
    return refuse("syntax", f"Not valid Python: {error.msg}.", "Correct the syntax and send the whole module.", line, column)


def _check_tree_size(source: Source) -> None:
    level: list[ast.AST] = [source.tree]
    count = depth = 0
    while level:
        count += len(level)
        depth += 1
        if count > limits.SYNTAX_NODES:
            message = f"The program has more than {limits.SYNTAX_NODES:,} syntax nodes."
            raise source.fault(level[0], "too-many-nodes", message, "Say it in fewer expressions.")
        if depth > limits.SYNTAX_DEPTH:
            message = f"An expression is deeper than {limits.SYNTAX_DEPTH} levels."
            raise source.fault(level[0], "too-nested", message, "Name intermediate results.")
        level = [child for node in level for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr_context | ast.operator)]


def _check_ascii(source: Source) -> None:
    """Outside comments and docstrings the text is ASCII (Python itself would fold look-alike letters into names)."""
    if source.text.isascii():
        return
    docstrings = {source.place(node) for node in docstring_nodes(source.tree)}
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        place = (token.start[0], token.start[1] + 1)
        if token.string.isascii() or token.type == tokenize.COMMENT or place in docstrings:
            continue
        if token.type in {tokenize.NEWLINE, tokenize.NL, tokenize.ENDMARKER}:
            continue
        remedy = "Code is ASCII; other characters may stand in docstrings and comments."
        raise refuse("not-ascii", f"{token.string[:40]!r} is not ASCII.", remedy, *place)


def docstring_nodes(tree: ast.Module) -> list[ast.Constant]:
    """The docstrings of the module and of every function."""
    owners = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.FunctionDef)]
    return [constant for owner in owners if (constant := docstring_node(owner)) is not None]


def docstring_node(owner: ast.Module | ast.FunctionDef) -> ast.Constant | None:
    """The docstring of a module or function as a node."""
    first = owner.body[0] if owner.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first.value
    return None
