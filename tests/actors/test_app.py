"""What can be registered, under which name, and how it is found again."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Generator
from datetime import timedelta
from functools import partial
from typing import Any, Optional

import pytest
from attrs import define

from perdure.actors.app import App
from perdure.actors.context import ActivityContext, EntityContext, OrchestrationContext
from perdure.actors.definitions import Signature
from perdure.actors.errors import (
    ArityError,
    DefinitionNotFoundError,
    OperationNotFoundError,
    PayloadError,
    RegistrationError,
)
from perdure.actors.retry import RetryPolicy


def greet(name: str) -> str:
    return f"Hello {name}"


def transfer(source: str, target: str, amount: int = 1) -> int:
    return amount


async def notify(context: ActivityContext, text: str) -> None: ...


async def story(ctx: OrchestrationContext, name: str) -> int:
    return len(name)


def old_story(context: Any) -> Generator[Any, Any, int]:
    yield context.call_activity("greet", "you")
    return 1


class Counting:
    def reset(self) -> None: ...


@define
class Account(Counting):
    balance: int = 0

    @property
    def doubled(self) -> int:
        return self.balance * 2

    @staticmethod
    def fee() -> int:
        return 1

    @classmethod
    def opened(cls) -> "Account":
        return cls()

    def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    async def audit(self, context: EntityContext, depth: int) -> str:
        return ""

    def _hidden(self) -> None: ...


def counter(context: EntityContext) -> None: ...


@pytest.fixture
def app() -> App:
    return App()


def signature(function: Any) -> Signature:
    app = App()
    app.activity(function)
    return app.activity_of(function).signature


def test_a_registered_function_is_the_very_same(app: App) -> None:
    assert app.activity(greet) is greet
    assert app.activity(name="other")(greet) is greet
    assert app.orchestration(story) is story
    assert app.orchestration(version="2")(story) is story
    assert app.entity(Account) is Account
    assert app.entity(name="other")(Account) is Account


def test_an_activity_keeps_its_options(app: App) -> None:
    retry = RetryPolicy(max_attempts=3)
    decorate = app.activity(
        name="g", retry=retry, timeout=timedelta(minutes=1), max_concurrency=2, executor="process"
    )
    decorate(greet)
    found = app.activity_of("g")
    assert found is app.activity_of(greet)
    assert (found.retry, found.timeout, found.max_concurrency) == (retry, 60.0, 2)
    assert (found.executor, found.takes_context) == ("process", False)


def test_async_activities_run_on_the_loop_and_others_in_threads(app: App) -> None:
    app.activity(notify)
    app.activity(greet)
    assert (app.activity_of(notify).executor, app.activity_of(notify).takes_context) == (
        "loop",
        True,
    )
    assert app.activity_of(greet).executor == "thread"


def test_a_context_is_not_an_input() -> None:
    assert [parameter.name for parameter in signature(notify).inputs] == ["text"]


def test_orchestrators_come_in_three_styles(app: App) -> None:
    def plain(context: OrchestrationContext) -> int:
        return 1

    for function in (story, old_story, plain):
        app.orchestration(function)
    styles = [app.orchestration_of(function).style for function in (story, old_story, plain)]
    assert styles == ["async", "generator", "plain"]
    assert app.orchestration_of(old_story).signature.returns is int


def test_public_methods_are_the_operations(app: App) -> None:
    app.entity(Account)
    found = app.entity_of("ACCOUNT")
    assert found is app.entity_of(Account)
    assert set(found.operations) == {"deposit", "audit", "reset"}
    assert found.operation("DEPOSIT").name == "deposit"
    audit = found.operation("audit")
    assert (audit.is_async, audit.takes_context) == (True, True)
    assert [parameter.name for parameter in audit.signature.inputs] == ["depth"]
    assert found.make() == Account()


def test_an_unknown_operation_is_named_with_those_there_are(app: App) -> None:
    app.entity(Account)
    with pytest.raises(OperationNotFoundError, match=r"no operation 'close'; it has: .*deposit"):
        app.entity_of(Account).operation("close")


def test_delete_is_implicit_unless_the_class_has_its_own(app: App) -> None:
    @define
    class Guarded:
        def delete(self) -> None: ...

    app.entity(Account)
    app.entity(Guarded)
    assert app.entity_of(Account).is_implicit("Delete")
    assert not app.entity_of(Guarded).is_implicit("delete")


def test_a_function_can_be_an_entity(app: App) -> None:
    app.entity(counter)
    assert app.entity_of("counter").kind == "function"
    assert app.entity_of(counter) is app.entity_of("counter")


def test_a_name_given_twice_is_refused(app: App) -> None:
    for register, definition in (
        (app.activity, greet),
        (app.orchestration, story),
        (app.entity, Account),
    ):
        register(definition)
        with pytest.raises(RegistrationError, match="registered already; give this one another"):
            register(definition)


def test_one_function_may_have_two_names(app: App) -> None:
    app.activity(greet)
    app.activity(name="other")(greet)
    assert app.activity_of("other").function is app.activity_of("greet").function is greet


@define
class Twins:
    def Open(self) -> None: ...  # noqa: N802 - the case is what differs

    def open(self) -> None: ...


class Needy:
    def __init__(self, size: int) -> None: ...


class Bare:
    def __init__(self) -> None:
        self.count = 0


@define
class Unfinished(ABC):
    @abstractmethod
    def act(self) -> None: ...


@define
class Streaming:
    def numbers(self) -> Generator[int, None, None]:
        yield 1


@define
class AsyncStreaming:
    async def numbers(self) -> AsyncIterator[int]:
        yield 1


def late_only(*sizes: int, context: ActivityContext) -> None: ...


def doubly(first: ActivityContext, second: ActivityContext) -> None: ...


async def stream(context: OrchestrationContext) -> AsyncIterator[int]:
    yield 1


def produce() -> Generator[int, None, None]:
    yield 1


def keyword_only(*, size: int) -> None: ...


def contextless() -> None: ...


@pytest.mark.parametrize(
    ("kind", "definition", "problem"),
    [
        ("activity", 5, "not callable"),
        ("activity", lambda: None, "pass name="),
        ("activity", produce, "cannot be a generator"),
        ("activity", keyword_only, "keyword-only 'size'"),
        ("orchestration", contextless, "OrchestrationContext"),
        ("orchestration", stream, "await instead"),
        ("entity", Twins, "differ only in case"),
        ("entity", Needy, "without arguments"),
        ("entity", Bare, "@attrs.define or @dataclass"),
        ("entity", Unfinished, "is abstract; it lacks act"),
        ("entity", Streaming, "an operation cannot be a generator"),
        ("entity", AsyncStreaming, "an operation cannot be a generator"),
        ("entity", produce, "an entity cannot be a generator"),
        ("entity", greet, "'name' is annotated str"),
        ("orchestration", greet, "'name' is annotated str"),
        ("orchestration", notify, "'context' is annotated ActivityContext"),
        ("activity", stream, "cannot be a generator"),
        ("activity", late_only, "move 'context' before"),
        ("activity", doubly, "two parameters for the ActivityContext"),
    ],
)
def test_what_cannot_work_is_refused_at_registration(
    app: App, kind: str, definition: Any, problem: str
) -> None:
    with pytest.raises(RegistrationError, match=problem):
        getattr(app, kind)(definition)


def test_a_worker_process_needs_a_sync_function_it_can_import(app: App) -> None:
    def local() -> None: ...

    for function in (local, notify, partial(greet, "eve"), Doubler()):
        with pytest.raises(RegistrationError, match="top level of a module"):
            app.activity(function, name="local", executor="process")


def test_an_unknown_executor_is_refused(app: App) -> None:
    unknown: Any = "fiber"
    with pytest.raises(RegistrationError, match='"thread" or "process", not \'fiber\''):
        app.activity(greet, executor=unknown)
    with pytest.raises(RegistrationError, match="runs on the event loop"):
        app.activity(notify, executor="thread")


class Doubler:
    async def __call__(self, value: int) -> int:
        return value * 2


def test_callable_objects_and_partials_are_activities(app: App) -> None:
    app.activity(Doubler(), name="double")
    app.activity(partial(transfer, "a"), name="from_a")
    double, from_a = app.activity_of("double"), app.activity_of("from_a")
    assert (double.executor, from_a.executor) == ("loop", "thread")
    assert [(p.name, p.type) for p in double.signature.inputs] == [("value", int)]
    assert [(p.name, p.type) for p in from_a.signature.inputs] == [("target", str), ("amount", int)]
    assert (double.signature.returns, from_a.signature.returns) == (int, int)


def last(size: int, text: str = "x", context: ActivityContext | None = None) -> None: ...


def quoted(size: int, context: "Optional[ActivityContext]") -> None: ...  # noqa: UP045


@pytest.mark.parametrize("function", [last, quoted])
def test_a_context_may_stand_anywhere(app: App, function: Any) -> None:
    app.activity(function, name="it")
    found = app.activity_of("it")
    assert found.takes_context
    assert "context" not in [parameter.name for parameter in found.signature.inputs]


def test_a_late_context_comes_after_defaults(app: App) -> None:
    app.activity(last)
    found = app.activity_of(last)
    given = found.signature.with_context((1,), found.context_position, "the context")
    assert given == (1, "x", "the context")


def unresolved(first: "Nowhere", second: "int") -> "int":  # type: ignore[name-defined]  # noqa: F821
    return second


def test_an_unknown_annotation_leaves_the_others() -> None:
    found = signature(unresolved)
    assert [parameter.type for parameter in found.inputs] == [Any, int]
    assert found.returns is int


def test_an_explicit_none_is_no_default() -> None:
    def scale(factor: int | None = 2) -> None: ...

    shape, codec = signature(scale), App().codec
    assert shape.read(codec, shape.write(codec, (None,), "input"), "input") == (None,)
    assert shape.read(codec, shape.write(codec, (), "input"), "input") == ()


def test_an_activity_is_named_by_function_or_text(app: App) -> None:
    app.activity(greet, name="hello")
    assert (app.activity_name(greet), app.activity_name("other")) == ("hello", "other")
    with pytest.raises(DefinitionNotFoundError):
        app.activity_name(transfer)


@pytest.mark.parametrize("timeout", [0, -1.0, timedelta(0)])
def test_a_timeout_is_longer_than_zero(app: App, timeout: Any) -> None:
    with pytest.raises(RegistrationError, match="longer than zero"):
        app.activity(timeout=timeout)(greet)


def test_an_unknown_name_is_told_with_those_there_are(app: App) -> None:
    app.activity(greet)
    with pytest.raises(DefinitionNotFoundError, match=r"no activity 'gret' is registered.*greet"):
        app.activity_of("gret")
    with pytest.raises(DefinitionNotFoundError, match="transfer"):
        app.activity_of(transfer)


def versioned(app: App, *versions: str | None) -> None:
    for version in versions:

        async def tale(ctx: OrchestrationContext) -> None: ...

        app.orchestration(name="tale", version=version)(tale)


@pytest.mark.parametrize(
    ("default", "registered", "asked", "found"),
    [
        (None, ("1.9", "1.10"), None, "1.10"),
        (None, ("1.9", None), None, None),
        ("1.9", ("1.9", "1.10", None), None, "1.9"),
        ("3", ("1", "2"), None, "2"),
        (None, ("1", "2"), "1", "1"),
        (None, (None,), "1", None),
    ],
)
def test_the_version_is_chosen(
    default: str | None, registered: tuple[str | None, ...], asked: str | None, found: str | None
) -> None:
    app = App(default_version=default)
    versioned(app, *registered)
    assert app.orchestration_of("tale", asked).version == found


def test_another_version_is_no_stand_in_for_the_one_asked_for(app: App) -> None:
    versioned(app, "1", None)
    with pytest.raises(DefinitionNotFoundError):
        app.orchestration_of("tale", "2")


def test_a_function_stands_for_its_name_in_another_version(app: App) -> None:
    async def newer(ctx: OrchestrationContext, name: str) -> int:
        return 0

    app.orchestration(story, version="1")
    app.orchestration(newer, name="story", version="2")
    assert app.orchestration_of(story).version == "1"
    assert app.orchestration_of(story, "2").function is newer
    with pytest.raises(DefinitionNotFoundError, match="version 3"):
        app.orchestration_of(story, "3")


def test_an_app_includes_all_of_another_or_nothing() -> None:
    whole, part = App(), App()
    whole.entity(Account)
    part.activity(greet)
    part.orchestration(story)
    part.entity(Account)
    with pytest.raises(RegistrationError, match="registered already"):
        whole.include(part)
    assert (whole.activities, whole.orchestrations) == ({}, {})


def test_an_app_includes_another() -> None:
    whole, part = App(), App()
    part.activity(greet)
    part.orchestration(story)
    part.entity(Account)
    whole.include(part)
    assert whole.activity_of(greet) is part.activity_of(greet)
    assert whole.orchestration_of(story) is part.orchestration_of(story)
    assert whole.entity_of(Account) is part.entity_of(Account)
    with pytest.raises(RegistrationError, match="registered already"):
        whole.include(part)


def test_one_parameter_travels_bare() -> None:
    shape, codec = signature(greet), App().codec
    assert shape.write(codec, ("eve",), "input") == '"eve"'
    assert shape.read(codec, '"eve"', "input") == ("eve",)


def test_several_parameters_travel_as_an_array() -> None:
    shape, codec = signature(transfer), App().codec
    assert shape.write(codec, ("a", "b", 3), "input") == '["a","b",3]'
    assert shape.write(codec, ("a", "b"), "input") == '["a","b"]'
    assert shape.read(codec, '["a","b"]', "input") == ("a", "b")


def test_a_bare_value_is_the_first_argument_when_others_have_defaults() -> None:
    def scale(value: int, factor: int = 2) -> int:
        return value * factor

    assert signature(scale).read(App().codec, "5", "input") == (5,)


def test_further_positional_arguments_travel_as_an_array() -> None:
    def total(*amounts: int) -> int:
        return sum(amounts)

    shape, codec = signature(total), App().codec
    assert shape.write(codec, (1,), "input") == "[1]"
    assert shape.read(codec, "[1,2]", "input") == (1, 2)
    assert shape.read(codec, None, "input") == ()


def test_a_payload_for_no_parameter_is_ignored() -> None:
    assert signature(contextless).read(App().codec, "5", "input") == ()


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("a",), r"missing 'target'; it takes \(source, target, amount\)"),
        ((), "missing 'source', 'target'"),
        (("a", "b", 1, 2), "4 given; it takes 3"),
    ],
)
def test_a_wrong_number_of_arguments_is_told_by_name(args: tuple[Any, ...], problem: str) -> None:
    with pytest.raises(ArityError, match=problem):
        signature(transfer).write(App().codec, args, "input")


def test_an_argument_that_does_not_fit_is_named() -> None:
    with pytest.raises(PayloadError) as caught:
        signature(transfer).read(App().codec, '["a","b","c"]', "input")
    assert caught.value.path == "input.amount"
