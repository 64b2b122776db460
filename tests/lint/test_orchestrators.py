"""Which functions count as orchestrators, in either style and however they are registered."""

from collections.abc import Callable

import pytest

from perdure.lint import Finding

Lint = Callable[[str], list[Finding]]

REGISTERED = {
    "bare": """
        @app.orchestration
        async def story(ctx): {}
        """,
    "with options": """
        @bank.app.orchestration(name="other", version="2")
        async def story(ctx): {}
        """,
    "in the generator style": """
        @app.orchestration
        def story(context):
            yield {}
        """,
    "of Durable Functions": """
        import azure.durable_functions as df
        my_app = df.DFApp()
        @my_app.function_name("x")
        @my_app.orchestration_trigger(context_name="it")
        def story(it: df.DurableOrchestrationContext):
            yield {}
        """,
    "on a blueprint": """
        @bp.orchestration_trigger("context")
        def story(context):
            yield {}
        """,
    "of the first model": """
        import azure.durable_functions as df
        def story(context):
            yield {}
        main = df.Orchestrator.create(story)
        """,
    "by a call": """
        async def story(it): {}
        app.orchestration(story)
        """,
    "by a call with options": """
        async def story(it): {}
        app.orchestration(name="x")(story)
        """,
    "by another name": """
        from perdure import App
        register = App().orchestration
        @register
        async def story(it): {}
        """,
    "inside a function": """
        def make(app):
            @app.orchestration
            async def story(it): {}
        """,
    "a helper by its annotation": """
        async def step(it: "OrchestrationContext | None", n: int): {}
        """,
    "a helper with a wrapped annotation": """
        async def step(n: "(", it: typing.Annotated[OrchestrationContext, 5]): {}
        """,
    "a method by its annotation": """
        class Steps:
            async def step(self, it: perdure.OrchestrationContext): {}
        """,
}

NOT = {
    "an activity": "@app.activity\nasync def work(n): {}",
    "an activity of Durable Functions": "@app.activity_trigger(input_name='n')\ndef work(n): {}",
    "an entity": "@app.entity\ndef counter(context): {}",
    "an entity class": "@app.entity\nclass Counter:\n    def add(self): {}",
    "a starter": "@app.route('x')\n@app.durable_client_input('client')\nasync def f(client): {}",
    "an activity by a call": "def work(ctx: OrchestrationContext): {}\napp.activity(work)",
    "any function": "def work(): {}",
    "an activity inside": (
        "@app.orchestration\nasync def story(ctx):\n    @app.activity\n    def work(): {}"
    ),
}


@pytest.mark.parametrize("way", REGISTERED)
def test_an_orchestrator_is_known_however_registered(way: str, linted: Lint) -> None:
    text = "import time\n" + "\n".join(
        line.removeprefix(" " * 8) for line in REGISTERED[way].splitlines()
    )
    (found,) = linted(text.replace("{}", "time.time()"))
    assert found.code == "PER101"
    assert found.way[-1] in {"story", "step", "Steps.step"}


@pytest.mark.parametrize("what", NOT)
def test_others_may_do_what_they_like(what: str, linted: Lint) -> None:
    assert linted("import time\n" + NOT[what].replace("{}", "time.time()")) == []


def test_the_fix_speaks_as_the_orchestrator_does(linted: Lint) -> None:
    (found,) = linted("""
        @bp.orchestration_trigger(context_name="my_context")
        def story(my_context):
            open("x")
            yield my_context.create_timer(1)
        """)
    assert found.fix == "do it in an activity: yield my_context.call_activity(...)"


def test_generators_have_to_yield_their_tasks(linted: Lint) -> None:
    found = linted("""
        def tell(context, name):
            yield context.call_activity("tell", name)

        @app.orchestration_trigger(context_name="context")
        def story(context):
            context.call_activity("hello", 1)
            tell(context, "a")
            yield from tell(context, "b")
            yield context.call_activity("hello", 2)
        """)
    assert [(f.code, f.line, f.fix[:8]) for f in found] == [
        ("PER113", 7, "yield it"),
        ("PER113", 8, "`yield f"),
    ]


def test_a_name_of_ones_own_is_not_the_module(linted: Lint) -> None:
    assert (
        linted("""
        import time
        @app.orchestration
        async def story(ctx, time, open, input, random):
            time.time()
            open("x")
            hash = print = ctx.logger.info
            print(hash(input()))
        """)
        == []
    )


def test_renamed_imports_are_seen_through(linted: Lint) -> None:
    found = linted("""
        import datetime as dt
        from time import time as clock
        from os import environ
        @app.orchestration
        async def story(ctx):
            from uuid import uuid4 as new
            return dt.datetime.now(), clock(), environ["X"], new()
        """)
    assert [f.code for f in found] == ["PER101", "PER101", "PER104", "PER103"]
