"""``transforms/script_aggregate``: user code gathers records in sessions, and says when they leave.

The first group-by rule whose fields a record has gives its session. Sessions stay open over runs;
nothing leaves by itself. A script that throws suspends its record, and the session is as it was
before it. What is pushed for a record keeps the record's origin.

The clock is that of the run: time-outs are looked at when it begins and when it ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from meterhouse.core.instant import Instant, parse_instant
from meterhouse.core.json_text import (
    Record,
    canonical_text,
    field_value,
    json_text,
    parse_json,
)
from meterhouse.core.reading import Reading
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import Origin, UsageBatch
from meterhouse.streams.nodes.node import OUT, NodeParams, NodeRun, NodeSite, NodeType, Outputs
from meterhouse.streams.nodes.script import SCRIPT_CHARS_MAX, ScriptFailed
from meterhouse.streams.ports import ScriptOutcome, ScriptSession
from meterhouse.streams.record import AggregateSession, RunResult, SessionChanges
from meterhouse.streams.suspension import Bad, SuspensePolicy, read_policy

RULES_MAX = 100
FIELDS_MAX = 100
#: So many records, and so many sessions, are with the scripts at a time.
PIECE_RECORDS = 1_000
TRANSFORM, TIMEOUT, FLUSH = "transform", "timeout", "flush"
_NAMES = {TRANSFORM: "onTransform", TIMEOUT: "onTimeout", FLUSH: "onFlush"}
#: Sessions are the node's, whatever its rules: a key names the fields that it is made of.
_SCOPE = ""
#: A record may nest as deep as any, and lies inside of a session.
_NESTING_MAX = 250


@dataclass(frozen=True, slots=True)
class ScriptAggregateParams(NodeParams):
    """``rules`` are tried in order; ``scripts`` are by part."""

    rules: tuple[tuple[str, ...], ...]
    scripts: dict[str, str | None]
    meta_field: str | None
    policy: SuspensePolicy

    @property
    def silent(self) -> bool:
        """Whether no record can ever leave: all scripts are empty."""
        return not any(source and source.strip() for source in self.scripts.values())

    def open(self, site: NodeSite) -> NodeRun:
        """Make the scripts known to the session of the run."""
        session = site.world.session
        assert session is not None
        return _ScriptAggregate(self, site, session)


def _read(reading: Reading) -> ScriptAggregateParams | None:
    rules = _read_rules(reading)
    scripts = {
        part: reading.text(name, chars_max=SCRIPT_CHARS_MAX) for part, name in _NAMES.items()
    }
    meta_field = reading.text("metaField")
    policy = read_policy(reading)
    if reading.problems:
        return None
    return ScriptAggregateParams(tuple(rules), scripts, meta_field, policy)


def _read_rules(reading: Reading) -> list[tuple[str, ...]]:
    rules: list[tuple[str, ...]] = []
    given = reading.json_list("groupByRules", items_max=RULES_MAX)
    if not given and not reading.problems:
        hint = 'name fields to group by, as in [{"fields": ["accountId"]}]'
        reading.fail("groupByRules", "is empty", hint)
    for position, item in enumerate(given):
        inner = Reading(item, what="rule")
        fields = inner.json_list("fields", items_max=FIELDS_MAX)
        if not fields and not inner.problems:
            inner.fail("fields", "is empty", "name at least one field")
        if any(not isinstance(field, str) or not field for field in fields):
            inner.fail("fields", f"is {json_text(fields)}", "name each field by a text")
        reading.problems += [fault.at(f"groupByRules[{position}]") for fault in inner.problems]
        rules.append(tuple(fields))
    return rules


TYPE = NodeType("transforms/script_aggregate", frozenset({2}), _read)


@dataclass(slots=True)
class _Open:
    """A session: the name and the fields of its key, and its state for the scripts."""

    name: str
    fields: Record
    state: Record
    created_at: Instant
    updated_at: Instant

    @property
    def timeout_at(self) -> Instant | None:
        text = self.state.get("timeoutAt")
        return parse_instant(text) if isinstance(text, str) else None

    def stored(self, key: str) -> AggregateSession:
        whole = json_text({"name": self.name, "fields": self.fields, **self.state})
        return AggregateSession(key, whole, self.created_at, self.updated_at, self.timeout_at)

    @classmethod
    def of(cls, session: AggregateSession) -> _Open:
        state = parse_json(session.state, nesting_max=_NESTING_MAX)
        name, fields = state.pop("name"), state.pop("fields")
        return cls(name, fields, state, session.created_at, session.updated_at)


class _ScriptAggregate(NodeRun):
    def __init__(
        self, params: ScriptAggregateParams, site: NodeSite, session: ScriptSession
    ) -> None:
        self._params = params
        self._site = site
        self._session = session
        self._guard = site.guard(params.policy)
        self._sessions = _Sessions(site)
        transform = params.scripts[TRANSFORM] or ""
        self._wants_meta = "meta" in transform
        self._source: int | None = None
        self._offset = 0
        session.define(
            site.id,
            name=site.name,
            transform=transform,
            flush=params.scripts[FLUSH],
            timeout=params.scripts[TIMEOUT],
            aggregates=True,
            store=site.world.snapshot.script_store(site.id),
        )

    def start(self) -> Iterator[Outputs]:
        yield from self._time_out(self._site.world.facts.at)

    def take(self, batch: UsageBatch) -> Outputs:
        records, origins = batch.rows(), batch.origins()
        bad: list[Bad] = []
        keyed: list[tuple[int, str]] = []
        heads: dict[str, tuple[str, Record]] = {}
        for position, record in enumerate(records):
            if (fields := self._fields(record)) is None:
                bad.append((position, Reason.SCHEMA_INVALID, self._unmatched(record)))
                continue
            key = canonical_text(fields)
            heads.setdefault(key, (_name(fields), fields))
            keyed.append((position, key))
        self._sessions.open(heads)
        pushed: list[Record] = []
        pushed_origins: list[Origin] = []
        for start in range(0, len(keyed), PIECE_RECORDS):
            piece = keyed[start : start + PIECE_RECORDS]
            for position, outcome in self._transformed(piece, records, origins):
                if outcome.error is not None:
                    bad.append((position, Reason.SCRIPT_ERROR, outcome.error))
                pushed += outcome.pushed
                pushed_origins += [origins[position]] * len(outcome.pushed)
        self._guard.screen(batch, sorted(bad, key=lambda entry: entry[0]))
        return {OUT: UsageBatch.from_rows(pushed, pushed_origins)}

    def _fields(self, record: Record) -> Record | None:
        """The fields of the first rule that the record has all fields of."""
        for rule in self._params.rules:
            fields = {field: field_value(record, field) for field in rule}
            if None not in fields.values():
                return fields
        return None

    def _unmatched(self, record: Record) -> str:
        missing = [
            f"{field} is missing"
            for rule in self._params.rules
            for field in rule
            if field_value(record, field) is None
        ]
        return f"no group-by rule has all its fields: {', '.join(dict.fromkeys(missing))}"

    def _transformed(
        self, piece: list[tuple[int, str]], records: Sequence[Record], origins: Sequence[Origin]
    ) -> Iterator[tuple[int, ScriptOutcome]]:
        keys = [key for _, key in piece]
        metas = None
        if self._wants_meta:
            places = [self._site.world.sources.place(origins[position]) for position, _ in piece]
            metas = [{"source": place.source, "offset": place.offset} for place in places]
        taken = [records[position] for position, _ in piece]
        outcomes = self._with_scripts(TRANSFORM, keys, records=taken, metas=metas)
        return zip((position for position, _ in piece), outcomes, strict=True)

    def _with_scripts(
        self,
        part: str,
        keys: Sequence[str],
        *,
        records: Sequence[Record] | None = None,
        metas: Sequence[Record] | None = None,
    ) -> Sequence[ScriptOutcome]:
        outcomes, changed = self._session.aggregate(
            self._site.id,
            part,
            keys=keys,
            sessions=self._sessions.shown(keys),
            records=records,
            metas=metas,
            meta_field=self._params.meta_field,
        )
        self._sessions.change(changed)
        return outcomes

    def end(self) -> Iterator[Outputs]:
        facts = self._site.world.facts
        yield from self._time_out(facts.at if facts.end_at is None else facts.end_at)
        if self._params.scripts[FLUSH] is not None:
            yield from self._ended(FLUSH, self._sessions.updated())

    def _time_out(self, at: Instant) -> Iterator[Outputs]:
        if self._params.scripts[TIMEOUT] is not None:
            yield from self._ended(TIMEOUT, self._sessions.due(at))

    def _ended(self, part: str, keys: Sequence[str]) -> Iterator[Outputs]:
        """Run a script for sessions that no record comes for."""
        for start in range(0, len(keys), PIECE_RECORDS):
            piece = keys[start : start + PIECE_RECORDS]
            pushed: list[Record] = []
            for key, outcome in zip(piece, self._with_scripts(part, piece), strict=True):
                if outcome.error is not None:
                    self._fail(part, key, outcome.error)
                pushed += outcome.pushed
            if pushed:
                yield {OUT: self._numbered(pushed)}

    def _fail(self, part: str, key: str, error: str) -> None:
        hint = "mend the script and run the stream again; nothing of this run is kept"
        raise ScriptFailed(
            f'the {part} script of node "{self._site.name}" failed for the session {key}: {error}',
            hint=hint,
        )

    def _numbered(self, records: list[Record]) -> UsageBatch:
        if self._source is None:
            self._source = self._site.world.sources.add(self._site.name)
        origins = [(self._source, self._offset + place) for place in range(len(records))]
        self._offset += len(records)
        return UsageBatch.from_rows(records, origins)

    def commit(self, result: RunResult) -> None:
        if (changes := self._sessions.changes()) is not None:
            result.sessions.append(changes)


def _name(fields: Record) -> str:
    """How a script sees a key: the values, between commas."""
    values = fields.values()
    return ",".join(value if isinstance(value, str) else canonical_text(value) for value in values)


class _Sessions:
    """The sessions that a run has to do with, by key; ``None``: there is none any more."""

    def __init__(self, site: NodeSite) -> None:
        self._site = site
        self._known: dict[str, _Open | None] = {}
        self._heads: dict[str, tuple[str, Record]] = {}
        self._stored: set[str] = set()
        self._changed: dict[str, None] = {}

    def open(self, heads: dict[str, tuple[str, Record]]) -> None:
        """Look up the sessions of keys; ``heads`` are their names and fields."""
        world = self._site.world
        asked = [key for key in heads if key not in self._known]
        found = world.snapshot.sessions(self._site.id, _SCOPE, keys=asked, at=world.facts.at)
        self._known |= dict.fromkeys(asked)
        self._meet(found)
        for key in heads:
            self._heads.setdefault(key, heads[key])

    def _meet(self, found: Sequence[AggregateSession]) -> None:
        for session in found:
            self._stored.add(session.key)
            self._known[session.key] = _Open.of(session)

    def due(self, at: Instant) -> list[str]:
        """Return the keys of sessions whose time-out has come, in order, and clear it."""
        stored = self._site.world.snapshot.due_sessions(self._site.id, _SCOPE, at=at)
        self._meet([session for session in stored if session.key not in self._known])
        due = [
            (timeout_at, key, session)
            for key, session in self._known.items()
            if session is not None
            and (timeout_at := session.timeout_at) is not None
            and timeout_at <= at
        ]
        due.sort(key=lambda entry: entry[:2])
        for _, key, session in due:
            session.state = {**session.state, "timeoutAt": None}
            self._changed[key] = None
        return [key for _, key, _ in due]

    def updated(self) -> list[str]:
        """Return the keys of open sessions that this run has changed, in order of first change."""
        return [key for key in self._changed if self._known[key] is not None]

    def shown(self, keys: Sequence[str]) -> dict[str, tuple[str, Record, Record]]:
        """Return the sessions of keys as scripts meet them; new ones are empty."""
        shown: dict[str, tuple[str, Record, Record]] = {}
        for key in dict.fromkeys(keys):
            if (session := self._known[key]) is not None:
                shown[key] = (session.name, session.fields, session.state)
            else:
                state = {"data": {}, "meta": {"count": 0}, "timeoutAt": None}
                shown[key] = (*self._heads[key], state)
        return shown

    def change(self, states: Mapping[str, Record | None]) -> None:
        """Take over what scripts have made of sessions; ``None``: it is over."""
        now = self._site.world.facts.at
        for key, state in states.items():
            self._changed[key] = None
            session = self._known[key]
            if state is None:
                if session is not None:
                    self._heads.setdefault(key, (session.name, session.fields))
                self._known[key] = None
            elif session is None:
                self._known[key] = _Open(*self._heads[key], state, now, now)
            else:
                session.state, session.updated_at = state, now

    def changes(self) -> SessionChanges | None:
        """Return what the run changed, ``None`` where that is nothing."""
        kept, ended = [], []
        for key in self._changed:
            session = self._known[key]
            if session is not None:
                kept.append(session.stored(key))
            elif key in self._stored:
                ended.append(key)
        return SessionChanges(self._site.id, _SCOPE, kept, ended) if kept or ended else None
