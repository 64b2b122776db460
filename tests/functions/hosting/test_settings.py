"""host.json and local.settings.json: what is honoured, ignored with a reason, unknown, or wrong."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from perdure.functions import FunctionsError
from perdure.functions.host_file import HostFile, read_host_file
from perdure.functions.host_settings import (
    DEFAULT_CONNECTION,
    HostSettings,
    VersionFailure,
    VersionMatch,
)
from perdure.functions.local_settings import LocalSettings, in_environment, read_local_settings
from perdure.runtime.client.control import Reuse


def host_file(folder: Path, said: object, **environ: str) -> HostFile:
    (folder / "host.json").write_text(said if isinstance(said, str) else json.dumps(said))
    return read_host_file(folder, environ)


def durable(**settings: Any) -> dict[str, Any]:
    return {"version": "2.0", "extensions": {"durableTask": settings}}


def test_every_setting_with_a_meaning_is_honoured(tmp_path: Path) -> None:
    said = durable(
        hubName="MyHub",
        defaultVersion="1.5",
        versionMatchStrategy="strict",
        versionFailureStrategy="Fail",
        maxConcurrentActivityFunctions=3,
        maxEntityOperationBatchSize=7,
        maxOrchestrationActions=9,
        overridableExistingInstanceStates="AnyState",
        rollbackEntityOperationsOnExceptions=False,
        throwStatusExceptionsOnRaiseEvent=False,
        httpSettings={
            "useForwardedHost": True,
            "defaultAsyncRequestSleepTimeMilliseconds": 2500,
        },
        storageProvider={"type": "AzureStorage", "connectionName": "Other"},
    )
    said["extensions"]["http"] = {"routePrefix": "/v1/"}
    said["functions"] = ["One"]
    file = host_file(tmp_path, said)
    assert file == HostFile(
        HostSettings(
            hub_name="MyHub",
            connection="Other",
            default_version="1.5",
            version_match=VersionMatch.STRICT,
            version_failure=VersionFailure.FAIL,
            activities_max=3,
            entity_batch_max=7,
            actions_max=9,
            reuse=Reuse.ANY_STATE,
            rolls_back=False,
            raise_event_strictly=False,
            poll_interval=timedelta(seconds=2.5),
            use_forwarded_host=True,
            route_prefix="v1",
            functions=frozenset({"one"}),
        )
    )


def test_names_are_read_in_any_case(tmp_path: Path) -> None:
    said = {"Version": "2.0", "Extensions": {"DURABLETASK": {"HubNAME": "MyHub"}}}
    assert host_file(tmp_path, said).settings.hub_name == "MyHub"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    prefix = "AzureFunctionsJobHost__extensions__durableTask__"
    environ = {
        f"{prefix}hubName": "Theirs",
        f"{prefix}maxConcurrentActivityFunctions": "4",
        "AzureFunctionsJobHost:extensions:http:routePrefix": "",
        f"{prefix}httpSettings__useForwardedHost": "True",
    }
    settings = host_file(tmp_path, durable(hubname="Ours"), **environ).settings
    assert (settings.hub_name, settings.activities_max) == ("Theirs", 4)
    assert (settings.route_prefix, settings.use_forwarded_host) == ("", True)


def test_the_first_version_is_read_from_its_root(tmp_path: Path) -> None:
    said = {
        "durableTask": {"HubName": "Old", "AzureStorageConnectionStringName": "Store"},
        "http": {"routePrefix": "x"},
    }
    settings = host_file(tmp_path, said).settings
    assert (settings.hub_name, settings.connection, settings.route_prefix) == ("Old", "Store", "x")
    nameless = host_file(tmp_path, {"http": {"routePrefix": "x"}})
    assert nameless.settings.hub_name == "DurableFunctionsHub"


def test_settings_name_app_settings(tmp_path: Path) -> None:
    said = durable(hubName="%HUB%", defaultVersion="%V%")
    settings = host_file(tmp_path, said, HUB="Prod", v="2").settings
    assert (settings.hub_name, settings.default_version) == ("Prod", "2")
    with pytest.raises(FunctionsError, match=r"hubName in host.json.*'HUB'.*local.settings.json"):
        host_file(tmp_path, said)


def test_what_means_nothing_is_told_with_the_reason(tmp_path: Path) -> None:
    said = durable(
        maxConcurrentEntityFunctions=2,
        tracing={"distributedTracingEnabled": True},
        storageProvider={"partitionCount": 8},
    )
    said["logging"] = {"logLevel": {"default": "Debug"}}
    file = host_file(tmp_path, said)
    assert [name for name, _ in file.ignored] == [
        "extensions.durableTask.maxConcurrentEntityFunctions",
        "extensions.durableTask.tracing",
        "extensions.durableTask.storageProvider.partitionCount",
        "logging",
    ]
    assert all(reason for _, reason in file.ignored)
    assert file.unknown == ()


def test_what_nobody_knows_is_named(tmp_path: Path) -> None:
    said = {**durable(hubNmae="x"), "durableTask": {"hubName": "misplaced"}}
    file = host_file(tmp_path, said)
    assert file.unknown == ("extensions.durableTask.hubNmae", "durableTask")


def test_stores_of_azure_give_way_to_ours(tmp_path: Path) -> None:
    provider = {"type": "mssql", "connectionStringName": "SQLDB_Connection", "schemaName": "dt"}
    file = host_file(tmp_path, durable(storageProvider=provider))
    assert file.settings.connection == DEFAULT_CONNECTION
    assert any("mssql" in reason for _, reason in file.ignored)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (durable(maxConcurrentActivityFunctions=0), "a whole number of at least 1, not 0"),
        (durable(maxOrchestrationActions=True), "a whole number of at least 1, not True"),
        (durable(overridableExistingInstanceStates="Any"), "'NonRunningStates' or 'AnyState'"),
        (durable(hubName=""), "a text that is not empty"),
        (durable(rollbackEntityOperationsOnExceptions="no"), "true or false, not 'no'"),
        ({"version": "2.0", "functions": "one"}, "a list of names"),
        ({"version": "2.0", "extensions": 5}, "extensions in host.json is an object"),
        ("{", "is not JSON"),
        ("[]", "holds list, not an object"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, said: object, problem: str) -> None:
    with pytest.raises(FunctionsError, match=problem):
        host_file(tmp_path, said)


def test_comments_and_last_commas_are_allowed(tmp_path: Path) -> None:
    said = '\ufeff{ /* two\nlines */ "version": "2.0", // "no"\n "functions": ["a//b", "c,]",], }'
    assert host_file(tmp_path, said).settings.functions == frozenset({"a//b", "c,]"})


def test_without_files_everything_is_as_usual(tmp_path: Path) -> None:
    assert read_host_file(tmp_path, {}) == HostFile()
    assert read_local_settings(tmp_path) == LocalSettings()


def test_local_settings_are_the_environment(tmp_path: Path) -> None:
    said = {
        "Values": {"A": "1", "B": True, "C": None, "TAKEN": "file"},
        "ConnectionStrings": {"Db": "memory://", "Sql": {"ConnectionString": "x"}},
        "Host": {"LocalHttpPort": 7075, "CORS": "http://a, http://b", "CORSCredentials": True},
    }
    (tmp_path / "local.settings.json").write_text(json.dumps(said))
    local = read_local_settings(tmp_path)
    environ = {"TAKEN": "shell"}
    with in_environment(local.values, environ) as kept:
        assert environ == {
            "TAKEN": "shell",
            "A": "1",
            "B": "true",
            "C": "",
            "ConnectionStrings:Db": "memory://",
            "ConnectionStrings:Sql": "x",
        }
    assert (kept, environ) == (["TAKEN"], {"TAKEN": "shell"})
    assert (local.port, local.origins, local.credentials) == (7075, ("http://a", "http://b"), True)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"IsEncrypted": True}, "func settings decrypt"),
        ({"Values": ["A"]}, "Values of .* is an object"),
        ({"Host": {"LocalHttpPort": "x"}}, "is a port, not 'x'"),
    ],
)
def test_wrong_local_settings_are_named(tmp_path: Path, said: object, problem: str) -> None:
    (tmp_path / "local.settings.json").write_text(json.dumps(said))
    with pytest.raises(FunctionsError, match=problem):
        read_local_settings(tmp_path)
