"""Task hubs: their names, and the stores that connections name."""

from pathlib import Path
from typing import Any

import pytest

from perdure.functions import Binding, Function, FunctionsError
from perdure.functions.host_settings import HostSettings
from perdure.functions.task_hubs import HubMap, default_hub, sanitised


def client(**properties: Any) -> Binding:
    return Binding("durableClient", "client", properties=properties)


def starter() -> Function:
    return Function("start", print, Binding("httpTrigger", "req"))


def hubs(folder: Path, settings: HostSettings | None = None, **environ: str) -> HubMap:
    return HubMap(folder, settings or HostSettings(hub_name="Main"), environ)


@pytest.mark.parametrize("name", ["ab", "1abc", "my-hub", "hub_1", "", "a" * 51, "h\u00fcb"])
def test_a_wrong_hub_name_is_refused_with_a_right_one(name: str) -> None:
    with pytest.raises(FunctionsError, match=r"hubName in host\.json.*for instance"):
        default_hub(HostSettings(hub_name=name), {})


@pytest.mark.parametrize(
    ("site", "hub"),
    [
        ("my-site.01", "mysite01"),
        ("7up", "t7up"),
        ("a-b", "abHub"),
        ("---", "DefaultTaskHub"),
        ("s" * 60, "s" * 45),
    ],
)
def test_a_hub_is_named_after_the_site(site: str, hub: str) -> None:
    assert sanitised(site) == hub
    assert default_hub(HostSettings(), {"WEBSITE_SITE_NAME": site}) == hub


def test_a_slot_has_a_hub_of_its_own() -> None:
    environ = {"WEBSITE_SITE_NAME": "site", "WEBSITE_SLOT_NAME": "Staging"}
    assert default_hub(HostSettings(), environ) == "siteStaging"
    assert default_hub(HostSettings(), {**environ, "WEBSITE_SLOT_NAME": "Production"}) == "site"
    assert default_hub(HostSettings(), {}) == "TestHubName"


@pytest.mark.parametrize(
    "value", [None, "", "UseDevelopmentStorage=true", "usedevelopmentstorage=TRUE;"]
)
def test_the_default_store_is_a_file_in_the_folder(tmp_path: Path, value: str | None) -> None:
    environ = {} if value is None else {"AzureWebJobsStorage": value}
    assert hubs(tmp_path, None, **environ).own.store == f"sqlite:///{tmp_path}/.perdure/main.db"


@pytest.mark.parametrize(
    ("value", "store"),
    [
        ("memory://", "memory://"),
        ("sqlite:///data/{hub}.db", "sqlite:///{folder}/data/main.db"),
        ("sqlite:////var/app.db", "sqlite:////var/app.db"),
    ],
)
def test_a_connection_is_the_url_of_a_store(tmp_path: Path, value: str, store: str) -> None:
    found = hubs(tmp_path, AzureWebJobsStorage=value).own.store
    assert found == store.replace("{folder}", str(tmp_path))


@pytest.mark.parametrize(
    "value", ["DefaultEndpointsProtocol=https;AccountName=x;AccountKey=k", "postgres://h/d", "x"]
)
def test_another_connection_is_refused_without_showing_keys(tmp_path: Path, value: str) -> None:
    with pytest.raises(FunctionsError, match=r"AzureWebJobsStorage .* set it to") as refused:
        hubs(tmp_path, AzureWebJobsStorage=value)
    assert "AccountKey" not in str(refused.value)


def test_clients_name_hubs_and_connections(tmp_path: Path) -> None:
    known = hubs(tmp_path, OtherConnection="memory://", AzureWebJobsThird="memory://", HUB="Far")
    own = known.of(starter(), client())
    other = known.of(starter(), client(taskHub="%HUB%", connectionName="otherconnection"))
    assert own == known.own
    assert (other.name, other.store, other.shown_connection) == (
        "Far",
        "memory://",
        "otherconnection",
    )
    assert known.of(starter(), client(connection="Third")).store == "memory://"
    assert known.of(starter(), client(taskHub="MAIN", connectionName="Storage")).key == own.key


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"taskHub": "no-hub"}, "a client of start"),
        ({"taskHub": "%NONE%"}, "taskHub of a client of start.*'NONE'"),
        ({"connectionName": "Nowhere"}, "'Nowhere', but there is no such app setting"),
    ],
)
def test_a_client_of_no_hub_is_refused(
    tmp_path: Path, properties: dict[str, str], problem: str
) -> None:
    with pytest.raises(FunctionsError, match=problem):
        hubs(tmp_path).of(starter(), client(**properties))


def test_two_hubs_never_share_a_file(tmp_path: Path) -> None:
    known = hubs(tmp_path, AzureWebJobsStorage="sqlite:///one.db")
    with pytest.raises(FunctionsError, match=r"Main and Second would share .*\{hub\}"):
        known.of(starter(), client(taskHub="Second"))
