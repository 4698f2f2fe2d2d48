import copy
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from meterhouse.core.json_text import parse_json
from meterhouse.core.problem import DefinitionError
from meterhouse.streams.graph import load_graph, read_graph
from meterhouse.streams.nodes.catalogue import NODE_TYPES
from tests.streams.documents import chain, document, edge, meter_node, node, noop, reader


def problems(stream: object) -> list[str]:
    graph, found = read_graph(stream)
    assert graph is None
    return [str(problem) for problem in found]


def test_a_valid_document_becomes_a_graph_in_topological_order():
    stream = document(
        [noop(), meter_node(), reader()], "meter:reset -> end", "in -> meter", name="My stream"
    )
    graph = load_graph(stream)
    assert graph.name == "My stream"
    assert [n.id for n in graph.nodes] == ["in", "meter", "end"]
    assert [(e.source, e.port, e.target) for e in graph.edges] == [
        ("meter", "reset", "end"),
        ("in", "out", "meter"),
    ]
    assert [n.id for n in graph.meter_nodes] == ["meter"]


def test_an_export_gives_back_what_was_imported_unknown_keys_too():
    stream = chain(reader(), noop()) | {"unknown": {"b": [1.0, None], "a": {}}}
    stream["nodes"][0]["partitionKey"] = None
    stream["edges"][0]["config"] = {"z": 1, "a": 2}
    before = json.dumps(stream)
    assert json.dumps(load_graph(stream).document) == before


def test_every_problem_is_listed_at_once():
    stream = document(
        [
            reader(fields={"n": "int"}),
            reader() | {"name": "twin"},
            node("d", "transforms/deduplicate", "Dedup", key="constant", lifeTimeDays=71),
            meter_node(guidingRules=[{"ignoreCondition": True}]),
            node("x", "transforms/other"),
            noop() | {"schemaVersion": 3},
        ],
        "in -> d",
        "d:nowhere -> meter",
        "gone -> meter",
        "meter -> x",
        "x -> end",
    )
    with pytest.raises(DefinitionError) as caught:
        load_graph(stream)
    text = str(caught.value)
    assert text.startswith('The stream "Test stream" has 8 problems:')
    for part in (
        'node "in" (readers/file) params.fields.n: is "int" (use one of string, number, boolean)',
        'node "twin" (readers/file): has the id "in" of another',
        'node "Dedup" (transforms/deduplicate) params.key: is "constant" and names no field',
        "params.lifeTimeDays: is 71 (use a whole number from 1 to 70)",
        'node "meter" (transforms/meter) params.guidingRules[0].matchCategory: is missing',
        'node "x" (transforms/other): is of an unknown type "transforms/other" (these exist',
        'node "end" (writers/noop): has schemaVersion 3 (1 is understood of writers/noop',
        'edges[2].from: is "gone", which is no node',
    ):
        assert part in text


def test_ports_that_a_node_does_not_have_are_named_with_those_it_has():
    stream = document([reader(), meter_node(), noop()], "in -> meter", "meter:other -> end")
    assert problems(stream) == [
        'edges[1].output: is "other", no output of node "meter" (transforms/meter) '
        "(it has: reset, threshold)"
    ]


def test_an_edge_without_output_goes_from_the_default_port():
    multi = {"fixed": {"valid": {"id": "v"}, "invalid": {"id": "i"}}}
    check = node("v", "transforms/validate", schema={}, multiOutput=multi)
    dedup = node("d", "transforms/deduplicate", key="${payload}")
    stream = chain(reader(), check, dedup, meter_node(), noop())
    assert [e.port for e in load_graph(stream).edges] == ["out", "valid", "unique", "reset"]


def test_outputs_are_named_by_their_ids_too():
    multi = {"fixed": {"reset": {"id": "r-id"}, "threshold": {"id": "t-id"}}}
    stream = document(
        [reader(), meter_node(multiOutput=multi), noop()], "in -> meter", "meter:t-id -> end"
    )
    assert [e.port for e in load_graph(stream).edges] == ["out", "threshold"]


def test_a_split_of_several_outputs_has_no_default_port_unless_it_says_so():
    outputs = [{"id": "a", "name": "A"}, {"id": "b", "name": "B"}]
    params = {"multiOutput": {"configurable": {"outputs": outputs}}, "onNoMatch": "discard"}
    stream = chain(reader(), node("s", "transforms/split", **params), noop())
    assert problems(stream) == [
        'edges[1].output: is missing, no output of node "s" (transforms/split) (it has: a, b)'
    ]
    stream["nodes"][1]["params"]["onNoMatch"] = "default"
    assert load_graph(stream).edges[1].port == "default"


def test_a_cycle_is_named():
    one, two = (node(i, "transforms/map", mappings=[{"a": "a"}]) for i in ("one", "two"))
    stream = document([reader(), one, two], "in -> one", "one -> two", "two -> one")
    assert problems(stream) == [
        'edges: form a cycle: "one" -> "two" -> "one" (remove one of its edges)'
    ]


def test_what_no_record_comes_to_is_named():
    one, two = (node(i, "transforms/map", mappings=[{"a": "a"}]) for i in ("one", "two"))
    stream = document([reader(), noop(), one, two, noop("w")], "in -> end", "one -> two")
    assert problems(stream) == [
        'node "one" (transforms/map): has no input (connect it, or remove it)',
        'node "two" (transforms/map): is reached from no reader (connect what is before it)',
        'node "w" (writers/noop): has no input (connect it, or remove it)',
    ]


def test_a_stream_needs_a_reader():
    stream = document([meter_node(), noop()], "meter -> end")
    assert problems(stream) == ["nodes: have no reader (add one, such as readers/file)"]


def test_readers_take_no_records_and_writers_let_none_out():
    stream = document([reader(), noop(), noop("w")], "in -> end", "end -> w", "end -> in")
    assert problems(stream)[:2] == [
        'edges[1].from: is node "end" (writers/noop), which lets no record out (remove the edge)',
        'edges[2].from: is node "end" (writers/noop), which lets no record out (remove the edge)',
    ]
    assert 'edges[2].to: is node "in" (readers/file), which takes no records' in problems(stream)[2]


def test_an_edge_that_comes_twice_would_count_records_twice():
    stream = document([reader(), noop()], "in -> end", "in:out -> end")
    assert "edges[1]: repeats another edge" in problems(stream)[0]


def test_two_meter_nodes_of_one_name_are_refused_with_the_remedy():
    stream = document(
        [reader(), meter_node("m1") | {"name": "M"}, meter_node("m2") | {"name": "M"}],
        "in -> m1",
        "in -> m2",
    )
    assert problems(stream) == [
        f'node "M" (transforms/meter, id {id_}): has the name of another meter node '
        "(rename one of them)"
        for id_ in ("m1", "m2")
    ]


def test_two_writers_of_one_path_are_refused():
    one, two = (node(i, "writers/file", path="x.csv") for i in ("w1", "w2"))
    stream = document([reader(), one, two], "in -> w1", "in -> w2")
    assert 'writes to "x.csv", as another node does' in problems(stream)[0]


@pytest.mark.parametrize("stream", [None, [], "x", {}, {"name": 5, "nodes": {}, "edges": 7}])
def test_what_is_no_document_at_all_is_said_without_falling_over(stream):
    assert problems(stream)


@pytest.mark.parametrize(
    ("broken", "part"),
    [
        ({"id": None}, "nodes[0].id: is missing"),
        ({"type": ["x"]}, 'nodes[0].type: is ["x"], not a text'),
        ({"params": "x"}, 'params: is "x", not a JSON object'),
        ({"schemaVersion": "1"}, 'has schemaVersion "1"'),
        ({"schemaVersion": True}, "has schemaVersion true"),
        ({"schemaVersion": [1]}, "has schemaVersion [1]"),
    ],
)
def test_broken_nodes_are_named_by_their_place(broken, part):
    stream = chain(reader() | broken, noop())
    assert any(part in problem for problem in problems(stream))


def test_a_node_without_a_version_or_a_name_is_fine():
    stream = chain(reader(), noop())
    for item in stream["nodes"]:
        del item["schemaVersion"], item["name"]
    assert [n.name for n in load_graph(stream).nodes] == ["in", "end"]


def test_floats_of_a_document_are_read_as_they_are_written():
    schema = {"properties": {"a": {"maximum": 0.1}}}
    assert load_graph(chain(reader(), node("v", "transforms/validate", schema=schema), noop()))


PARAMS = {
    "readers/counter": [({}, "max"), ({"max": -1}, "max"), ({"max": 1.5}, "max")],
    "readers/file": [
        ({}, "path"),
        ({"path": "x", "format": "xls"}, "format"),
        ({"path": "x", "fields": []}, "fields"),
        ({"path": "ftp://x/y"}, "path"),
        ({"path": "s3://b/y"}, "path"),
        ({"path": "az://no_name/y"}, "path"),
        ({"path": "sftp://ann@host/y"}, "path"),
        ({"path": "gs://bucket/a/../b"}, "path"),
        ({"path": "x", "endpoint": "https://x.example.com"}, "endpoint"),
        ({"path": "s3://bucket/x", "endpoint": "file:///etc"}, "endpoint"),
        ({"path": "az://bucket/x", "region": "eu-west-1"}, "region"),
        ({"path": "s3://bucket/x", "region": "evil.example.com/"}, "region"),
        ({"path": "s3://bucket/x", "hostKey": "ssh-ed25519 AAAA"}, "hostKey"),
        ({"path": "x", "secretsWalletEntry": {"secretId": "s"}}, "secretsWalletEntry"),
        (
            {"path": "s3://bucket/x", "secretsWalletEntry": {"secretType": "aws"}},
            "secretsWalletEntry.secretId",
        ),
        (
            {
                "path": "s3://bucket/x",
                "secretsWalletEntry": {"secretId": "s", "secretType": "basic"},
            },
            "secretsWalletEntry.secretType",
        ),
        ({"path": "x.csv", "delimiter": "ab"}, "delimiter"),
        ({"path": "x.csv", "delimiter": '"'}, "quote"),
        ({"path": "x.csv", "encoding": "ebcdic"}, "encoding"),
        ({"path": "x.csv", "columns": ["a", "a"]}, "columns"),
        ({"path": "x", "format": "avro", "delimiter": ";"}, "delimiter"),
        ({"path": "x", "format": "csv", "sheet": "S"}, "sheet"),
        ({"path": "x.avro", "readerSchema": {"type": "string"}}, "readerSchema"),
        ({"path": "x", "afterReading": "burn"}, "afterReading"),
        ({"path": "x", "afterReading": "move"}, "moveTo"),
        ({"path": "x", "moveTo": "y"}, "moveTo"),
        ({"path": "x", "afterReading": "move", "moveTo": "s3://bucket/y"}, "moveTo"),
        ({"path": "s3://one/x", "afterReading": "move", "moveTo": "s3://two/y"}, "moveTo"),
        ({"path": "s3://one/x", "afterReading": "move", "moveTo": "../y"}, "moveTo"),
    ],
    "transforms/script": [
        ({"transform": 5}, "transform"),
        ({"flush": "a", "onFlush": "b"}, "onFlush"),
    ],
    "transforms/validate": [
        ({}, "schema"),
        ({"schema": []}, "schema"),
        ({"schema": {"type": "x"}}, "schema"),
        ({"schema": {}, "multiOutput": {"fixed": {"other": {"id": "x"}}}}, "multiOutput.fixed"),
        ({"schema": {}, "suspenseManagement": {"eventThreshold": 0}}, "suspenseManagement.event"),
        ({"schema": {}, "suspenseManagement": {"enabled": "no"}}, "suspenseManagement.enabled"),
        (
            {"schema": {}, "suspenseManagement": {"onThresholdExceeded": "LOG"}},
            "suspenseManagement.onThresholdExceeded",
        ),
    ],
    "transforms/http": [
        ({}, "uri"),
        ({"uri": "x"}, "uri"),
        ({"uri": "https://x", "retries": 13}, "retries"),
        ({"uri": "https://x", "authType": "x"}, "authType"),
    ],
    "transforms/deduplicate": [
        ({}, "key"),
        ({"key": "${payload.x"}, "key"),
        ({"key": "${payload}", "lifeTimeDays": 0}, "lifeTimeDays"),
        ({"key": "${payload}", "multiOutput": {"fixed": {"x": {"id": "y"}}}}, "multiOutput"),
        ({"key": "${payload}", "multiOutput": {"fixed": {"unique": {}}}}, "multiOutput.fixed"),
    ],
    "transforms/xmap": [
        ({}, "mappings"),
        ({"mappings": [5]}, "mappings[0]"),
        ({"mappings": [{"expression": "a"}]}, "mappings[0].field"),
        ({"mappings": [{"field": "a..b", "expression": "a"}]}, "mappings[0].field"),
        ({"mappings": [{"field": "a"}]}, "mappings[0].expression"),
        ({"mappings": [{"field": "a", "expression": "1 +"}]}, "mappings[0].expression"),
        ({"mappings": [{"field": n, "expression": "a"} for n in ("x", "x.y")]}, "mappings"),
        ({"mappings": [], "keepFields": {"enabled": "yes"}}, "keepFields.enabled"),
        ({"mappings": [], "keepFields": {"enabled": True, "except": [5]}}, "keepFields.except[0]"),
        ({"mappings": [], "keepFields": {"enabled": True, "except": ["."]}}, "keepFields.except"),
    ],
    "transforms/filter": [
        ({}, "condition"),
        ({"condition": "a >"}, "condition"),
        ({"condition": "a", "multiOutput": {"fixed": {"other": {"id": "x"}}}}, "multiOutput.fixed"),
    ],
    "transforms/map": [
        ({}, "mappings"),
        ({"mappings": [{"a": "b", "c": "d"}]}, "mappings[0]"),
        ({"mappings": [{"a": 5}]}, "mappings[0].a"),
        ({"mappings": [{"a..b": "x"}]}, "mappings[0]"),
        ({"mappings": [{"a": "x"}, {"a.b": "y"}]}, "mappings"),
    ],
    "readers/dataset": [
        ({}, "dataset"),
        ({"dataset": "Aura_Audit"}, "major"),
        ({"dataset": "Aura_Audit", "major": 6, "to": "tomorrow"}, "to"),
        ({"dataset": "Aura_Audit", "major": 6, "afterMonthEndDays": -1}, "afterMonthEndDays"),
        ({"dataset": "Aura_Audit", "major": 6, "kernel": {}}, "kernel.url"),
    ],
    "readers/kafka": [
        ({}, "bootstrapServers"),
        ({"bootstrapServers": "a:9092"}, "topic"),
        ({"bootstrapServers": "a:9092", "topic": "t", "startFrom": "x"}, "startFrom"),
        ({"bootstrapServers": "a:9092", "topic": "t", "maxRecords": 0}, "maxRecords"),
    ],
    "readers/nats": [
        ({}, "servers"),
        ({"servers": "nats://a:4222"}, "stream"),
        ({"servers": "nats://a:4222", "stream": "s", "startFrom": "x"}, "startFrom"),
    ],
    "readers/rabbitmq": [
        ({}, "servers"),
        ({"servers": "a:5672"}, "queue"),
        ({"servers": "a:5672", "queue": "q", "maxRecords": 0}, "maxRecords"),
    ],
    "readers/sql": [
        ({}, "url"),
        ({"url": "db.example.com"}, "url"),
        ({"url": "sqlite:///x"}, "query"),
        ({"query": "DROP TABLE x"}, "query"),
        ({"watermark": {"start": 0}}, "watermark.column"),
        ({"fetchSize": 0}, "fetchSize"),
    ],
    "readers/http": [
        ({}, "uri"),
        ({"uri": "https://x/${payload.a}"}, "uri"),
        ({"uri": "https://x", "paging": {"kind": "x"}}, "paging.kind"),
        ({"uri": "https://x", "since": {"path": "a"}}, "since.parameter"),
        ({"uri": "https://x", "maxPages": 0}, "maxPages"),
        ({"uri": "https://x", "cursorKept": True}, "cursorKept"),
    ],
    "writers/http": [
        ({}, "uri"),
        ({"uri": "https://x", "method": "GET"}, "method"),
        ({"uri": "https://x", "batchSize": 0}, "batchSize"),
        ({"uri": "https://x", "lanes": 0}, "lanes"),
    ],
    "writers/email": [
        ({}, "host"),
        ({"host": "h", "from": "a@x"}, "to"),
        ({"host": "h", "from": "a@x", "to": ["b@x"], "security": "x"}, "security"),
    ],
    "transforms/lookup": [
        ({}, "table"),
        ({"table": "t"}, "keys"),
        ({"table": "t", "version": 0}, "version"),
        ({"table": "t", "column": "x"}, "column"),
        ({"table": "t", "keys": [{"field": "a"}]}, "keys[0].column"),
        ({"table": "t", "keys": [{"field": "${x}", "column": "a"}]}, "keys[0].field"),
        ({"table": "t", "keys": [{"field": "a", "column": "b"}] * 2}, "keys[1].column"),
        ({"table": "t", "fields": [{"column": "a", "target": "a..b"}]}, "fields[0].target"),
        (
            {"table": "t", "fields": [{"column": "a"}, {"column": "b", "target": "a.b"}]},
            "fields[1].target",
        ),
        ({"table": "t", "onNoMatch": "explode"}, "onNoMatch"),
        ({"table": "t", "multiOutput": {"fixed": {"x": {"id": "y"}}}}, "multiOutput.fixed.x"),
    ],
    "transforms/split": [
        ({}, "multiOutput.configurable.outputs"),
        ({"rules": [{"key": "x"}]}, "rules[0].key"),
        ({"rules": [{"op": "like"}]}, "rules[0].op"),
        ({"rules": [{"value": None}]}, "rules[0].value"),
        ({"rules": [{"value": "x", "output": "gone"}]}, "rules[0].output"),
        ({"onNoMatch": "explode"}, "onNoMatch"),
        (
            {"multiOutput": {"configurable": {"outputs": [{"id": "a"}, {"id": "a"}]}}},
            "multiOutput.configurable.outputs[1].id",
        ),
        (
            {
                "rules": [{"key": "${payload.a}", "op": "regex", "value": "(", "output": "a"}],
                "multiOutput": {"configurable": {"outputs": [{"id": "a"}]}},
            },
            "rules[0].value",
        ),
    ],
    "transforms/date": [
        ({}, "items"),
        ({"items": [{"field": "t", "mode": "shift"}]}, "items[0].mode"),
        ({"items": [{"field": "t", "inputFormat": "MM-DD"}]}, "items[0].inputFormat"),
    ],
    "transforms/data_aggregate": [
        ({}, "groupKeys"),
        ({"groupKeys": [{"field": "u", "operationType": "EON"}]}, "groupKeys[0].operationType"),
        ({"groupKeys": [{"field": "u"}], "flushType": "TIMEOUT"}, "timeout"),
        ({"groupKeys": [{"field": "u"}], "timeout": {"value": 1, "unit": {}}}, "timeout.unit"),
    ],
    "transforms/script_aggregate": [
        ({}, "groupByRules"),
        ({"groupByRules": [{"fields": [5]}]}, "groupByRules[0].fields"),
    ],
    "transforms/meter": [
        ({}, "guidingRules"),
        ({"flushType": "SOMETIMES"}, "flushType"),
        ({"futureToleranceSeconds": "60"}, "futureToleranceSeconds"),
        ({"futureToleranceSeconds": -1}, "futureToleranceSeconds"),
        ({"futureToleranceSeconds": Decimal("0.0000001")}, "futureToleranceSeconds"),
        ({"futureToleranceSeconds": 2592001}, "futureToleranceSeconds"),
        ({"multiOutput": {"fixed": {"x": {"id": "y"}}}}, "multiOutput"),
    ],
    "writers/kafka": [
        ({"topic": "t"}, "bootstrapServers"),
        ({"bootstrapServers": "k:9092"}, "topic"),
        ({"bootstrapServers": "k:9092", "topic": "t ${payload.x}"}, "topic"),
        ({"bootstrapServers": "k:9092", "topic": "t", "key": "${x}"}, "key"),
        ({"bootstrapServers": "k:9092", "topic": "t", "saslMechanism": "GSSAPI"}, "saslMechanism"),
        ({"bootstrapServers": "k:9092", "topic": "t", "maxMessageBytes": 9}, "maxMessageBytes"),
        ({"bootstrapServers": "k:9092", "topic": "t", "caCertificate": "x"}, "caCertificate"),
        ({"bootstrapServers": "k:9092", "topic": "t", "lanes": 0}, "lanes"),
    ],
    "writers/nats": [
        ({"servers": "n:4222"}, "subject"),
        ({"servers": "n", "subject": "s"}, "servers[0]"),
        ({"servers": "n:4222", "subject": "usage.>"}, "subject"),
        ({"servers": "n:4222", "subject": "usage..${payload.x}"}, "subject"),
        ({"servers": "n:4222", "subject": "$JS.API.STREAM.DELETE.S"}, "subject"),
        ({"servers": "n:4222", "subject": "${x}"}, "subject"),
        ({"servers": "n:4222", "subject": "s", "timeoutSeconds": 301}, "timeoutSeconds"),
    ],
    "writers/rabbitmq": [
        ({"servers": "r:5672"}, "routingKey"),
        ({"routingKey": "q"}, "servers"),
        ({"servers": "r:5672", "routingKey": "${x}"}, "routingKey"),
        ({"servers": "r:5672", "exchange": "x" * 256}, "exchange"),
        ({"servers": "r:5672", "exchange": "x", "maxAttempts": 0}, "maxAttempts"),
    ],
    "writers/sql": [
        ({"table": "t", "keyColumn": "k"}, "url"),
        ({"url": "sqlite:///x.db", "keyColumn": "k"}, "table"),
        ({"url": "sqlite:///x.db", "table": "t"}, "keyColumn"),
        ({"url": "mysql://h/d", "table": "t", "keyColumn": "k"}, "url"),
        ({"url": "postgresql://u:p@h/d", "table": "t", "keyColumn": "k"}, "url"),
        ({"url": "postgresql://h/d?hostaddr=1.2.3.4", "table": "t", "keyColumn": "k"}, "url"),
        ({"url": "sqlite:///x.db", "table": "t; drop", "keyColumn": "k"}, "table"),
        ({"url": "sqlite:///x.db", "table": "t", "keyColumn": "k", "columns": []}, "columns"),
        ({"url": "sqlite:///x", "table": "t", "keyColumn": "k", "columns": {"a": 1}}, "columns.a"),
        (
            {"url": "sqlite:///x", "table": "t", "keyColumn": "k", "columns": {"k": "a"}},
            "columns.k",
        ),
        ({"url": "sqlite:///x", "table": "t", "keyColumn": "k", "batchSize": 1001}, "batchSize"),
    ],
    "writers/file": [
        ({}, "path"),
        ({"path": "out/"}, "path"),
        ({"path": "{runs}.ndjson"}, "path"),
        ({"path": "http://x/y.csv"}, "path"),
        ({"path": "s3://UP/y.csv"}, "path"),
        ({"path": "s3://bucket/../y.csv"}, "path"),
        ({"path": "x.parquet.gz"}, "compression"),
        ({"path": "x.csv", "endpoint": "https://x.example.com"}, "endpoint"),
        ({"path": "x.avro", "formulaSafe": True}, "formulaSafe"),
        ({"path": "x.csv", "secretsWalletEntry": {"secretId": "s"}}, "secretsWalletEntry"),
        (
            {"path": "s3://b-1/x.csv", "secretsWalletEntry": {"secretId": "s", "secretType": "x"}},
            "secretsWalletEntry.secretType",
        ),
        ({"path": "x.xls"}, "format"),
        ({"path": "x.csv", "format": "xlsx"}, "format"),
    ],
    "writers/log": [],
    "writers/noop": [],
}


@pytest.mark.parametrize(
    ("type_", "params", "place"),
    [(type_, params, place) for type_, cases in PARAMS.items() for params, place in cases],
)
def test_bad_parameters_are_named_by_their_place(type_, params, place):
    source = node("n", type_, **params)
    stream = document([reader() if not type_.startswith("readers/") else source, source])
    found = problems(stream)
    assert any(f"params.{place}" in problem for problem in found), found


def test_every_node_type_has_its_bad_parameters_tried():
    assert set(PARAMS) == set(NODE_TYPES)


def test_eleven_rules_are_too_many():
    rule = {"ignoreCondition": True, "matchCategory": "api"}
    stream = chain(reader(), meter_node(guidingRules=[rule] * 11), noop())
    assert any("params.guidingRules: has 11 rules" in problem for problem in problems(stream))


# ---------------------------------------------------------------- real exports

FOLDER = Path(os.environ.get("METERHOUSE_TEST_DATA", ""), "reference", "stream_graphs")
EXPORTS = sorted(path.stem for path in FOLDER.glob("*.json")) if FOLDER.is_dir() else ["none"]
needs_exports = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="METERHOUSE_TEST_DATA does not name a folder with stream_graphs"
)


@needs_exports
@pytest.mark.parametrize("name", EXPORTS)
def test_real_exports_are_read_whole_and_stay_as_they_are(name):
    text = (FOLDER / f"{name}.json").read_text("utf-8")
    graph, found = read_graph(parse_json(text))
    assert found == []
    assert graph is not None
    assert json.dumps(graph.document) == json.dumps(json.loads(text))


@needs_exports
def test_there_are_fifteen_real_exports():
    assert len(EXPORTS) == 15


@needs_exports
def test_reading_a_document_does_not_change_it():
    path = FOLDER / "printing-as-a-service-with-metering__printing-as-a-service-with-metering.json"
    stream = parse_json(path.read_text("utf-8"))
    before = copy.deepcopy(stream)
    read_graph(stream)
    assert stream == before


def test_edges_may_be_written_in_any_order():
    stream = chain(reader(), meter_node(), noop())
    stream["edges"] = [edge("meter -> end"), edge("in -> meter")]
    assert [n.id for n in load_graph(stream).nodes] == ["in", "meter", "end"]


def test_our_own_file_nodes_know_their_parameters():
    writer = node("w", "writers/file", path="w.csv", fromat="csv")
    assert [text.split("?")[0] for text in problems(document([reader(glob="*"), writer]))[:2]] == [
        'node "in" (readers/file) params.glob: is not a known field (fields of a readers/file node '
        "are account, afterReading, columns, decimalComma, delimiter, encoding, endpoint, fields, "
        "format, hostKey, members, moveTo, path, quote, readerSchema, region, "
        "secretsWalletEntry, sheet, suspenseManagement)",
        'node "w" (writers/file) params.fromat: is not a known field (did you mean format',
    ]
