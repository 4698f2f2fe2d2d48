"""The configuration of OBs: from a folder, or from the API with its key."""

import pytest

from meterhouse.app.aura.ports import ConfigurationFault
from meterhouse.connectors.aura_configuration import ConfigurationApi, ConfigurationFolder
from meterhouse.core.secret import Credentials, SecretType
from tests.connectors.http.server import Reply

KEY = "k3y-of-the-api"


def api(url, client, *, secret_id="aura"):
    return ConfigurationApi(
        url,
        http=client,
        secret_id=secret_id,
        credentials=lambda _: Credentials(SecretType.BEARER, {"token": KEY}),
    )


def test_c18_the_api_is_asked_for_a_module_with_the_key(serve, calling):
    server = serve({"/es/channels/": lambda request: Reply(200, b'[{"id": "c", "name": "n"}]')})
    found = api(f"{server.url}/{{ob}}", calling()).module("ES", "channels")
    assert found == [{"id": "c", "name": "n"}]
    [asked] = server.asked
    headers = {name.lower(): value for name, value in asked.headers.items()}
    assert (asked.method, headers["authorization"]) == ("GET", f"APIKEY {KEY}")


def test_without_a_secret_no_key_is_sent(serve, calling):
    server = serve({"/skills/": lambda request: Reply(200, b"[]")})
    assert api(server.url, calling(), secret_id=None).module("ES", "skills") == []
    assert "authorization" not in {name.lower() for name in server.asked[0].headers}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Reply(401, b"no"), "answered 401"),
        (Reply(200, b"<html>"), "has no JSON"),
        (Reply(200, b"\xff"), "answered no UTF-8"),
    ],
)
def test_what_is_no_answer_is_told_without_the_key(serve, calling, answer, said):
    server = serve({"/skills/": lambda request: answer})
    with pytest.raises(ConfigurationFault) as fault:
        api(server.url, calling()).module("ES", "skills")
    assert said in str(fault.value)
    assert KEY not in str(fault.value)


def test_a_server_that_is_not_there_is_told(calling):
    with pytest.raises(ConfigurationFault, match="configuration API"):
        api("http://127.0.0.1:9", calling()).module("ES", "skills")


def test_a_folder_has_a_file_for_each_module_and_the_ob_in_its_path(tmp_path):
    (tmp_path / "es").mkdir()
    (tmp_path / "es/skills.json").write_text("\ufeff[]", "utf-8")
    assert ConfigurationFolder(f"{tmp_path}/{{ob}}").module("ES", "skills") == []
    with pytest.raises(ConfigurationFault, match=r"apps.json cannot be read"):
        ConfigurationFolder(f"{tmp_path}/{{ob}}").module("ES", "apps")
