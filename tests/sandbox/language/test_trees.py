"""Trees in many threads."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor

from sandbox.language.trees import parse_expression, parse_module
from sandbox.rules.references import reference_names, reference_text


def test_many_threads_parse_at_the_same_time() -> None:
    texts = [reference_text(name) for name in reference_names()] * 20
    alone = [ast.dump(ast.parse(text)) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        assert [ast.dump(tree) for tree in threads.map(parse_module, texts)] == alone


def test_an_expression_is_one() -> None:
    assert ast.dump(parse_expression("a + 1")) == ast.dump(ast.parse("a + 1", mode="eval").body)
