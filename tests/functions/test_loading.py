"""What a folder holds, and what its author is told when it cannot be loaded."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from perdure.functions import FunctionsApp, FunctionsError, load

Write = Callable[[Mapping[str, str]], Path]
Load = Callable[[Mapping[str, str]], FunctionsApp]

DECORATED = """\
import azure.durable_functions as df
import azure.functions as func
from flows import blueprint

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(blueprint)

@app.route(route="orchestrators/{name}", methods=["POST"])
@app.durable_client_input(client_name="client", task_hub="Other", connection_name="Store")
async def start(req: func.HttpRequest, client):
    return client

@app.function_name("Nightly")
@app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:01")
@app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")
def nightly(timer: func.TimerRequest) -> None: ...

@app.queue_trigger(arg_name="message", queue_name="q", connection="Store")
def consume(message: func.QueueMessage) -> None: ...

@app.route(route="save")
@app.blob_output(arg_name="out", path="a/b", connection="Store")
def save(req: func.HttpRequest, out: func.Out[str]) -> str: ...
"""
FLOWS = """\
import azure.durable_functions as df

blueprint = df.Blueprint()

@blueprint.orchestration_trigger(context_name="context", orchestration="Flow")
def flow(context): ...

@blueprint.activity_trigger(input_name="city", activity="Hello")
def say_hello(city: str) -> str: ...

@blueprint.entity_trigger(context_name="context", entity_name="Counter")
def count(context): ...
"""


def test_decorated_functions_say_what_they_are(loaded: Load) -> None:
    app = loaded({"function_app.py": DECORATED, "flows.py": FLOWS})
    names = {f.registered_name: f.trigger.type for f in app.functions}
    assert names == {
        "Flow": "orchestrationTrigger",
        "Hello": "activityTrigger",
        "Counter": "entityTrigger",
        "start": "httpTrigger",
        "Nightly": "timerTrigger",
        "consume": "queueTrigger",
        "save": "httpTrigger",
    }
    nightly, start = (next(f for f in app.functions if f.name == n) for n in ("Nightly", "start"))
    retry = {"strategy": "fixed_delay", "maxRetryCount": "3", "delayInterval": "00:00:01"}
    assert nightly.retry == retry
    assert start.trigger.properties == {
        "route": "orchestrators/{name}",
        "methods": ["POST"],
        "authLevel": "anonymous",
    }
    (client,) = start.clients
    assert client.properties == {"taskHub": "Other", "connectionName": "Store"}
    assert ([b.type for b in start.outputs], start.inputs) == (["http"], ())


def test_what_is_not_supported_is_listed(loaded: Load) -> None:
    app = loaded({"function_app.py": DECORATED, "flows.py": FLOWS})
    assert {f.name: f.obstacle for f in app.unsupported} == {
        "consume": "its trigger 'queueTrigger' is not supported",
        "save": "bindings of this kind are not supported: 'out' ('blob')",
    }
    assert [f.name for f in app.triggered_by("httpTrigger")] == ["start"]


V1_HTTP = """\
{
  // comments are allowed there
  "scriptFile": "starter.py",
  "entryPoint": "begin",
  "bindings": [
    {"type": "HTTPTrigger", "name": "req", "direction": "in", "methods": ["post"]},
    {"type": "orchestrationClient", "name": "starter", "direction": "in", "taskHub": "Old"},
    {"type": "http", "name": "$return", "direction": "out"},
  ]
}
"""
V1_ACTIVITY = """\
{
  "disabled": true,
  "bindings": [{"type": "activityTrigger", "name": "city", "direction": "in"}],
  "retry": {"strategy": "fixedDelay", "maxRetryCount": 2}
}
"""


def test_folders_with_a_function_json_are_functions(loaded: Load) -> None:
    app = loaded(
        {
            "Start/function.json": V1_HTTP,
            "Start/starter.py": "async def begin(req, starter: str): ...",
            "Hello/function.json": V1_ACTIVITY,
            "Hello/__init__.py": "from ..shared.greet import greet as main",
            "shared/greet.py": "def greet(city): return city",
        }
    )
    hello, start = app.functions
    assert (hello.name, hello.disabled, hello.call("Oslo")) == ("Hello", True, "Oslo")
    assert hello.retry == {"strategy": "fixedDelay", "maxRetryCount": 2}
    assert start.trigger.type == "httpTrigger"
    assert start.trigger.properties == {
        "methods": ["post"],
        "route": "Start",
        "authLevel": "function",
    }
    assert (start.is_async, start.clients[0].properties) == (True, {"taskHub": "Old"})


def test_a_setting_turns_a_function_off(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AzureWebJobs.start.Disabled", "true")
    app = loaded({"function_app.py": DECORATED, "flows.py": FLOWS})
    assert [f.name for f in app.functions if f.disabled] == ["start"]
    assert app.triggered_by("httpTrigger") == ()


GREETER = """\
import azure.durable_functions as df
from words import word

app = df.DFApp()

@app.activity_trigger(input_name="name")
def greet(name: str):
    from later import mark
    return word + name + mark
"""


def test_apps_in_one_process_do_not_mix(loaded: Load) -> None:
    first, second = (
        loaded(
            {"function_app.py": GREETER, "words.py": f"word = {w!r}", "later.py": f"mark = {m!r}"}
        )
        for w, m in [("Hi ", "!"), ("Ciao ", "?")]
    )
    assert first.functions[0].call("Ann") == "Hi Ann!"
    assert second.functions[0].call("Bea") == "Ciao Bea?"
    assert first.functions[0].call("Cid") == "Hi Cid!"
    assert first.modules["words"] is not second.modules["words"]
    assert sys.modules["words"] is second.modules["words"]


def test_a_closed_app_leaves_nothing_behind(write: Write) -> None:
    before, paths = sys.modules.keys() | {"azure.functions"}, list(sys.path)
    with load(write({"function_app.py": GREETER, "words.py": "word = ''", "later.py": "mark = 1"})):
        assert "words" in sys.modules
    assert not {"function_app", "words"} & (sys.modules.keys() - before)
    assert sys.path == paths


def test_own_files_hide_foreign_modules_only_for_the_app(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = type(sys)("words")
    monkeypatch.setitem(sys.modules, "words", foreign)
    files = {"function_app.py": GREETER, "words.py": "word = 'own '", "later.py": "mark = ''"}
    with load(write(files)) as app:
        assert sys.modules["words"] is not foreign
    assert app.functions[0].call("x") == "own x"
    assert sys.modules["words"] is foreign


ONLY_TRIGGER = '{"bindings": [{"type": "activityTrigger", "name": "city", "direction": "in"}]}'
ORCHESTRATION = (
    '{"bindings": [{"type": "orchestrationTrigger", "name": "context", "direction": "in"}]}'
)
TWO = '{"bindings": [{"type": "aTrigger", "name": "a"}, {"type": "bTrigger", "name": "b"}]}'


TWO_APPS = "import azure.functions as f\na, b = f.FunctionApp(), f.FunctionApp()"
OTHER_NAME = "def main(town): ..."
TOO_MANY = "def main(city, more): ..."
NOT_MADE = "def main(context): ..."


def function(file: str, script: str | None = None) -> dict[str, str]:
    files = {"A/function.json": file}
    return files if script is None else {**files, "A/__init__.py": script}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "neither function_app.py nor a folder with function.json"),
        ({"function_app.py": "x = 1"}, "no app object at its top level"),
        ({"function_app.py": TWO_APPS}, "has 2 app objects"),
        ({"function_app.py": "def f(:"}, r"function_app.py, line 1: invalid syntax"),
        ({"function_app.py": "import nothing_like_it"}, r"nothing_like_it.*requirements\.txt"),
        ({"function_app.py": "1 / 0"}, "raised while it was loaded: ZeroDivisionError"),
        ({"function_app.py": "", **function(ONLY_TRIGGER)}, "do not mix"),
        (function("{"), r"A/function\.json is not JSON"),
        (function("{}"), 'needs "bindings"'),
        (function('{"bindings": [3]}'), "a binding is an object in braces, not 3"),
        (function(TWO), "one trigger, found 'aTrigger', 'bTrigger'"),
        (function('{"bindings": [{"name": "a"}]}'), "needs a 'type'"),
        (function(ONLY_TRIGGER.replace('"in"', '"up"')), "direction of 'city' is"),
        (function('{"scriptFile": "../../x.py", ' + ONLY_TRIGGER[1:]), "x.py does not exist"),
        (function(f'{{"scriptFile": "{__file__}", ' + ONLY_TRIGGER[1:]), "lies outside the app"),
        (function(ONLY_TRIGGER), r"scriptFile .*__init__\.py does not exist"),
        (function(ONLY_TRIGGER, ""), "no function 'main'.*entryPoint"),
        (function(ONLY_TRIGGER, OTHER_NAME), "no parameter 'city'"),
        (function(ONLY_TRIGGER, TOO_MANY), "no binding gives its parameter 'more'"),
        (function(ORCHESTRATION, NOT_MADE), r"main = df\.Orchestrator\.create"),
    ],
)
def test_what_cannot_be_loaded_names_file_and_fix(
    write: Write, files: dict[str, str], told: str
) -> None:
    with pytest.raises(FunctionsError, match=told):
        load(write(files))
    assert "function_app" not in sys.modules


def test_a_function_without_a_trigger_is_refused(write: Write) -> None:
    body = (
        "import azure.functions as f\napp = f.FunctionApp()\n@app.function_name('x')\ndef y(): ..."
    )
    with pytest.raises(FunctionsError, match=r"function_app.py: .*x does not have a trigger"):
        load(write({"function_app.py": body}))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FunctionsError, match="is no folder"):
        load(tmp_path / "nowhere")
