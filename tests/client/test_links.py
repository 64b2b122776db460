"""The links to an instance, for requests of frameworks that nobody here knows."""

from types import SimpleNamespace

import pytest

from perdure import Client, ManagementUrl


def client(*, use_forwarded_host: bool = False) -> Client:
    management = ManagementUrl(url="/durable", use_forwarded_host=use_forwarded_host)
    return Client("memory://", management=management)


@pytest.mark.parametrize(("forwarded", "host"), [(False, "http://here"), (True, "https://there")])
def test_any_request_with_a_base_url_has_links(forwarded: bool, host: str) -> None:
    headers = {"x-forwarded-host": "there", "x-forwarded-proto": "https"}
    request = SimpleNamespace(base_url="http://here/", headers=headers)
    links = client(use_forwarded_host=forwarded).create_http_management_payload(request, "a b")
    assert links["statusQueryGetUri"] == f"{host}/durable/instances/a%20b"


def test_a_request_without_a_url_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Starlette, FastAPI, Litestar .* not builtins\.dict"):
        client().create_http_management_payload({}, "a")
