"""What streams may not call: not one connection reaches this machine's own listener."""

import ipaddress

import pytest

from meterhouse.connectors.http import AllowList, Guard, HttpClient
from meterhouse.core.problem import DefinitionError
from meterhouse.streams.ports import HttpFailed, HttpRefused, HttpRequest, HttpUnreachable
from tests.connectors.http.server import Canary, Reply

#: ``{port}`` is where the canary listens.
HOSTS = """
127.0.0.1 127.0.0.2 127.1.2.3 127.255.255.254 127.1 127.0.1 127.000.000.001 0127.0.0.1
2130706433 017700000001 0x7f000001 0x7F000001 0x7f.0.0.1 0x7f.1 0x7f.0x0.0x0.0x1 0177.0.0.1
0177.0.0.01 00000177.0.0.1 127.0.0.1. 2130706433. 0x7f000001. 0 0.0.0.0 0.0.0.0. 0x0 00 0.1
localhost LOCALHOST localhost. LocalHost. localhost.. .localhost foo.localhost [::1] [::]
[0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::127.0.0.1] [::ffff:127.0.0.1]
[::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [::FFFF:127.0.0.1] [::ffff:0:127.0.0.1]
[64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b:1::127.0.0.1] [2002:7f00:1::]
[2002:7f00:0001::1] [2001:0:7f00:1::] [2001::1] [fe80::1] [fe80::1%25lo] [fe80::1%lo] [fc00::1]
[fd00:ec2::254] [fec0::1] [ff02::1] [100::1] [2001:db8::1] [::1%25lo] [127.0.0.1]
[::1].example.com [::1 169.254.169.254 169.254.170.2 2852039166 0xa9fea9fe 0251.0376.0251.0376
[::ffff:169.254.169.254] 168.63.129.16 100.100.100.200 192.0.0.192 10.0.0.1 172.16.0.1
172.31.255.255 192.168.0.1 100.64.0.1 198.18.0.1 192.0.2.1 198.51.100.7 203.0.113.9 192.88.99.1
224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 ①②⑦.⓪.⓪.① １２７.０.０.１ 127。0。0。1 ⓛⓞⓒⓐⓛⓗⓞⓢⓣ
₁₂₇.0.0.1
""".split()

URLS = """
http://user@127.0.0.1:{port}/ http://user:pw@127.0.0.1:{port}/ http://example.com@127.0.0.1:{port}/
http://example.com:80@127.0.0.1:{port}/ http://127.0.0.1:{port}@example.com/
http://example.com%40127.0.0.1:{port}/ http://example.com#@127.0.0.1:{port}/@
http://example.com\\@127.0.0.1:{port}/ http://127.0.0.1:{port}\\@example.com/
http:\\\\127.0.0.1:{port}/ http:/127.0.0.1:{port}/ http:127.0.0.1:{port} //127.0.0.1:{port}/
http:///127.0.0.1:{port}/ http://127.0.0.1:0{port}/ http://127.0.0.1:+{port}/ http://127.0.0.1:/
http://127.0.0.1:0/ http://127.0.0.1:99999/ http://127.0.0.1:{port}:80/ http://127.0.0.1%00:{port}/
http://127.0.0.1%2e:{port}/ http://%31%32%37.0.0.1:{port}/ http://127.0.0.1:%38%30/
HTTP://127.0.0.1:{port}/ hTTps://127.0.0.1:{port}/ https://localhost:{port}/ http://:{port}/ http://
file:///etc/passwd file://127.0.0.1/etc/passwd unix:///run/docker.sock http+unix://%2Frun%2Fx.sock/
gopher://127.0.0.1:{port}/_x ftp://127.0.0.1:{port}/ ws://127.0.0.1:{port}/ dict://127.0.0.1:{port}/
ldap://127.0.0.1:{port}/ javascript:alert(1) data:text/plain,x jar:http://127.0.0.1:{port}/!/
http://localhost\t:{port}/ http://127.0.0.1:{port}\r\n/ http://a,b:{port}/ http://[127.0.0.1]:{port}/
""".split(" ")
URLS = [url for line in URLS for url in line.split("\n") if url]

CORPUS = [f"http://{host}:{{port}}/latest" for host in HOSTS] + URLS


def test_the_corpus_is_as_large_as_it_should_be():
    assert len(set(CORPUS)) >= 120


def refuse(client: HttpClient, url: str) -> HttpFailed:
    with pytest.raises(HttpFailed) as caught:
        client.send(HttpRequest("GET", url))
    return caught.value


def test_no_spelling_of_an_inner_address_is_connected_to(canary: Canary):
    client = HttpClient()
    wrong = {
        url: type(error).__name__
        for template in CORPUS
        if not isinstance(
            error := refuse(client, url := template.replace("{port}", str(canary.port))),
            HttpRefused | HttpUnreachable,
        )
    }
    client.close()
    assert not wrong
    assert canary.count() == 0


@pytest.mark.parametrize("host", [h for h in HOSTS if h.isascii() and "." in h and h[0] in "12"])
def test_inner_addresses_are_refused_and_not_merely_unreachable(host: str):
    assert isinstance(refuse(HttpClient(), f"http://{host}/"), HttpRefused)


def test_a_name_that_leads_inside_is_refused(canary: Canary):
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "fe80::1%eth0"):
        guard = Guard(resolver=lambda host, port, a=address: [a])
        client = HttpClient(guard)
        error = refuse(client, f"http://innocent.example.com:{canary.port}/")
        assert isinstance(error, HttpRefused)
        assert "innocent.example.com leads to" in str(error)
        client.close()
    assert canary.count() == 0


def test_one_inner_address_among_public_ones_is_enough_to_refuse():
    guard = Guard(resolver=lambda host, port: ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(HttpRefused, match=r"leads to 127\.0\.0\.1"):
        guard.addresses("example.com", 80)


def test_a_name_is_resolved_once_for_the_check_and_the_connection(canary: Canary):
    """A name that changes its address between two look-ups has no second one to lie at."""
    answers = iter([["127.0.0.9"], ["127.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    # The first answer is allowed and nobody listens there; the canary listens at the second one.
    guard = Guard(AllowList.parse("127.0.0.9"), resolver=rebinding)
    assert guard.addresses("rebinding.example.com", canary.port) == ["127.0.0.9"]
    with pytest.raises(HttpRefused, match=r"127\.0\.0\.1"):
        guard.addresses("rebinding.example.com", canary.port)
    assert asked == ["rebinding.example.com"] * 2


def test_the_connection_goes_to_the_address_that_was_judged(serve, calling):
    server = serve({"*": lambda asked: Reply.of({"host": asked.headers["host"]})})
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    client = HttpClient(Guard(AllowList.parse("made-up.example.com"), resolver=resolver))
    url = f"http://made-up.example.com:{server.port}/x"
    for _ in range(2):
        answer = client.send(HttpRequest("GET", url))
    client.close()
    # No system in between knows that name; the second request went over the same connection.
    assert answer.body == f'{{"host": "made-up.example.com:{server.port}"}}'.encode()
    assert asked == ["made-up.example.com"]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{canary}/",
        "http://localhost:{canary}/",
        "//127.0.0.2:{canary}/",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433:{canary}/",
        "http://[::1]:{canary}/",
        "http://u:p@127.0.0.1:{canary}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{canary}/",
    ],
)
def test_a_redirect_to_another_place_is_refused(serve, calling, canary: Canary, location: str):
    to = location.replace("{canary}", str(canary.port))
    server = serve({"*": lambda asked: Reply(302, b"", {"location": to})})
    error = refuse(calling(server.host), server.url)
    assert isinstance(error, HttpRefused)
    assert canary.count() == 0


def test_a_redirect_to_a_port_that_is_not_allowed_is_refused(serve, calling, canary: Canary):
    to = f"http://127.0.0.1:{canary.port}/"
    server = serve({"*": lambda asked: Reply(302, b"", {"location": to})})
    error = refuse(calling(server.host), server.url)
    assert "127.0.0.1: not a public address" in str(error)
    assert "METERHOUSE_HTTP_ALLOW" in str(error)
    assert canary.count() == 0


def test_public_addresses_are_let_pass():
    found = ["93.184.216.34", "2606:4700::6810:84e5"]
    assert Guard(resolver=lambda host, port: found).addresses("example.com", 443) == found
    assert Guard().addresses("8.8.8.8", 80) == ["8.8.8.8"]


def test_names_in_other_scripts_are_looked_up_in_their_ascii_form():
    assert Guard().target("https://bücher.example/x").host == "xn--bcher-kva.example"


# ---------------------------------------------------------------- the operator's list


def test_allowed_entries_name_hosts_addresses_and_networks():
    allowed = AllowList.parse("Billing.internal, crm:8080, 10.0.0.5:81, [fd00::5]:82, 10.1.0.0/16")
    assert allowed.names("billing.internal.", 9)
    assert allowed.names("crm", 8080)
    assert not allowed.names("crm", 80)
    assert not allowed.names("x.billing.internal", 80)
    ip = ipaddress.ip_address
    assert allowed.holds(ip("10.0.0.5"), 81)
    assert not allowed.holds(ip("10.0.0.5"), 82)
    assert allowed.holds(ip("fd00::5"), 82)
    assert allowed.holds(ip("10.1.255.1"), 1)
    assert not allowed.holds(ip("10.2.0.1"), 1)


def test_bad_entries_are_listed_all_at_once():
    with pytest.raises(DefinitionError) as caught:
        AllowList.parse("ok.example, http://x/, 1.2.3, a b, host:99999, *", what="METERHOUSE_X")
    assert [str(problem).split(" (")[0] for problem in caught.value.problems] == [
        '"http://x/" is no entry',
        '"1.2.3" is no entry',
        '"a b" is no entry',
        '"host:99999" has no port',
        '"*" is no entry',
    ]


def test_this_server_s_own_base_url_is_always_allowed(serve, canary: Canary):
    server = serve({"*": lambda asked: Reply.of(1)})
    client = HttpClient(Guard(AllowList().with_servers([server.url + "/"])))
    assert client.send(HttpRequest("GET", server.url)).status == 200
    assert isinstance(refuse(client, f"http://127.0.0.1:{canary.port}/"), HttpRefused)
    client.close()
    assert canary.count() == 0


def test_what_is_allowed_by_name_may_lie_anywhere():
    allowed = AllowList.parse("billing.internal:80")
    guard = Guard(allowed, resolver=lambda host, port: ["10.0.0.9"])
    assert guard.addresses("billing.internal", 80) == ["10.0.0.9"]
    with pytest.raises(HttpRefused):
        guard.addresses("billing.internal", 81)


def test_a_refusal_shows_no_secret_of_the_url():
    for url in ("http://ann:s3cret@127.0.0.1/?key=s3cret", "http://127.0.0.1:0/?key=s3cret#s3cret"):
        assert "s3cret" not in str(refuse(HttpClient(), url))


def test_the_canary_does_notice_a_connection(calling, canary: Canary):
    assert isinstance(refuse(calling(), f"http://127.0.0.1:{canary.port}/"), HttpUnreachable)
    assert canary.count() == 1


def test_a_name_that_cannot_be_found_is_unreachable_and_may_be_found_later():
    def broken(host: str, port: int) -> list[str]:
        raise OSError("no name server answers")

    for resolver, said in ((broken, "no name server answers"), (lambda h, p: [], "no address")):
        client = HttpClient(Guard(resolver=resolver))
        error = refuse(client, "http://example.com/")
        client.close()
        assert isinstance(error, HttpUnreachable)
        assert error.retriable
        assert said in str(error)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/" + "x" * 8000, "has 8,019 characters"),
        ("http://straße.example/", "can be read in two ways"),
        ("http://example.com:99999/", "has the port 99999, and there is none"),
        ("ftp://example.com/", 'has the scheme "ftp"'),
        ("http://u@example.com/", "has a user name before its host"),
        ("http://0x7f.1/", "has an address in an odd form"),
    ],
)
def test_what_is_odd_about_a_url_is_said(url: str, said: str):
    assert said in str(refuse(HttpClient(), url))
