"""Route templates: which paths they match, and which of several wins."""

import pytest

from perdure.functions import FunctionsError
from perdure.functions.routes import parse_route


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("orders", "Orders/", {}),
        ("", "", {}),
        ("orders", "orders/1", None),
        ("orders/{id}", "orders/a b", {"id": "a b"}),
        ("orders/{id}", "orders", None),
        ("orders/{id:int}", "orders/-7", {"id": "-7"}),
        ("orders/{id:int}", "orders/7.5", None),
        ("orders/{id:int}", "orders/99999999999", None),
        ("orders/{id:long}", "orders/99999999999", {"id": "99999999999"}),
        ("orders/{id:int?}", "orders", {}),
        ("orders/{id:int?}", "orders/8", {"id": "8"}),
        ("orders/{id:int?}", "orders/x", None),
        ("orders/{id=3}", "orders", {"id": "3"}),
        ("orders/{id=3}/{part?}", "orders/4/b", {"id": "4", "part": "b"}),
        ("files/{*rest}", "files/a/b.txt", {"rest": "a/b.txt"}),
        ("files/{*rest}", "files", {}),
        ("files/{**rest:nonfile}", "files/a/b.txt", None),
        ("{name}.{kind:alpha}", "a.b.txt", {"name": "a.b", "kind": "txt"}),
        ("{name}.{kind?}", "a.b.txt", {"name": "a.b", "kind": "txt"}),
        ("{name}.{kind?}", "a", {"name": "a"}),
        ("v{major:int}-{minor:int}", "v1-22", {"major": "1", "minor": "22"}),
        ("x/{{y}}", "x/{y}", {}),
        ("x/{a:range(1,5)}", "x/5", {"a": "5"}),
        ("x/{a:range(1,5)}", "x/6", None),
        ("x/{a:min(3)}", "x/2", None),
        ("x/{a:max(3)}", "x/3", {"a": "3"}),
        ("x/{a:length(2)}", "x/ab", {"a": "ab"}),
        ("x/{a:length(1,2):alpha}", "x/abc", None),
        ("x/{a:minlength(2)}", "x/a", None),
        ("x/{a:maxlength(2)}", "x/ab", {"a": "ab"}),
        ("x/{a:bool}", "x/TRUE", {"a": "TRUE"}),
        ("x/{a:datetime}", "x/2030-01-31", {"a": "2030-01-31"}),
        ("x/{a:guid}", "x/nope", None),
        ("x/{a:decimal}", "x/1.5", {"a": "1.5"}),
        ("x/{a:double}", "x/1e3", {"a": "1e3"}),
        ("x/{a:file}", "x/b.txt", {"a": "b.txt"}),
        ("x/{a:required}", "x/1", {"a": "1"}),
        (r"x/{a:regex(^\d{{2}}/?$)}", "x/42", {"a": "42"}),
        (r"x/{a:regex(^\d{{2}}/?$)}", "x/421", None),
    ],
)
def test_a_path_is_matched(template: str, path: str, values: dict[str, str] | None) -> None:
    assert parse_route(template).match(path) == values


def test_the_most_exact_template_goes_first() -> None:
    templates = [
        "a/{*rest}",
        "a/{*rest:nonfile}",
        "a/{x}",
        "{x}/b",
        "a/{x:int}",
        "a/b",
        "a/b/{x?}",
    ]
    ordered = sorted(templates, key=lambda template: parse_route(template).precedence)
    assert ordered == [
        "a/b",
        "a/b/{x?}",
        "a/{x:int}",
        "a/{x}",
        "a/{*rest:nonfile}",
        "a/{*rest}",
        "{x}/b",
    ]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("a/{x", "is not closed"),
        ("a/x}", "a brace too many"),
        ("a/{}", "is no parameter"),
        ("{x}/{X}", "two parameters of one name"),
        ("{*rest}/a", "only the last segment"),
        ("a{*rest}", "only the last segment"),
        ("a/{x:whole}", "the constraint 'whole'; known are int"),
        ("a/{x:range(1)}", r"the constraint 'range\(1\)'"),
        ("a/{x:regex([)}", "cannot be read"),
    ],
)
def test_a_template_that_cannot_be_is_refused(template: str, problem: str) -> None:
    with pytest.raises(FunctionsError, match=problem):
        parse_route(template)
