// Nodes, the loop that runs a script over a slice of records, and the messages of the worker.

const PARAMETERS = "payload, meta, push, state, store, sharedStore, audit, log, require";
const WITH_SESSION = `${PARAMETERS}, session`;
// Lines that the constructor of async functions puts before the body.
const LINES_BEFORE = 2;
const MESSAGE_MAX = 1000;
// A step ends after this much time or text, so that the worker hears from long slices.
const STEP_MILLISECONDS = 200;
const STEP_TEXT = 1 << 20;

const nodes = dictionary();
const stream = { state: {} };
let scripts = 0;

function compiled(source, parameters) {
  const label = `meterhouse-script-${++scripts}`;
  const call = construct(AsyncFunction, [parameters, `${source}\n//# sourceURL=${label}`]);
  return { label, call };
}

function makeNode(id, transform, flush, timeout, store) {
  const audit = { values: dictionary(), changed: dictionary() };
  return {
    id,
    transform,
    flush,
    timeout,
    aggregate: null,
    audit,
    store,
    random: generator(`${world.seed}:${id}`),
    storeFace: direct(store),
    auditFace: makeAudit(audit),
    log: makeLog(id),
    state: {
      node: {},
      get stream() {
        return stream.state;
      },
      set stream(value) {
        stream.state = value;
      },
    },
  };
}

// ---------------------------------------------------------------- running

const buffer = new ArrayBuffer(8);
// Read by the worker while scripts run: the index of the record, and how many were begun.
const progress = new Int32Array(buffer);
let run = null;
let reply = "";

const begin = (node, script, records, metas, aggregate) => {
  run = {
    node, script, records, metas, index: 0, turn: 0, paused: false, lines: "", sink: makeSink(),
    aggregate, session: null,
  };
};

function makeSink() {
  const sink = { open: true, text: "", size: 0, push };

  function push(value) {
    if (!sink.open) throw new Failure("push came after the script had ended: await every promise");
    const text = encode(value);
    if (text === undefined || text[0] !== "{") {
      throw new WrongType(`push takes an object, not ${kindOfText(text, value)}`);
    }
    sink.size += text.length + 32;
    if (sink.size > world.outputMax) throw new OutOfRange("too much was pushed for one record");
    sink.text += sink.text === "" ? text : `,${text}`;
    return settled;
  }

  return sink;
}

function kindOfText(text, value) {
  if (text !== undefined && text[0] === "[") return "an array";
  if (typeof value !== "object" || value === null) return shortened(spoken(value), MESSAGE_MAX);
  return `an object with the JSON ${text === undefined ? text : shortened(text, MESSAGE_MAX)}`;
}

// Runs records until the slice or the step is done. A turn that has been overtaken, because
// its record was given up, leaves everything alone.
async function step() {
  const own = run;
  const turn = ++own.turn;
  const started = realNow();
  own.paused = false;
  while (own.index < own.records.length) {
    let line;
    try {
      await callScript(own);
      if (own.turn !== turn) return;
      if (own.session !== null) keepSession(own.session);
      line = `[${own.sink.text}]`;
    } catch (error) {
      if (own.turn !== turn) return;
      line = stringify(described(error, own.script.label));
    }
    finish(own, line);
    if (own.lines.length > STEP_TEXT || realNow() - started > STEP_MILLISECONDS) break;
  }
  own.paused = true;
}

function callScript(own) {
  const { node, index } = own;
  progress[0] = index;
  progress[1]++;
  own.sink = makeSink();
  own.session = own.aggregate === null ? null : openSession(own.aggregate, index, own.sink);
  random = node.random;
  return apply(own.script.call, undefined, [
    own.records[index],
    own.metas === null ? {} : own.metas[index],
    own.sink.push,
    node.state,
    node.storeFace,
    shared.face,
    node.auditFace,
    node.log,
    requireModule,
    own.session === null ? undefined : own.session.face,
  ]);
}

function finish(own, line) {
  own.sink.open = false;
  own.records[own.index] = undefined;
  own.index++;
  own.lines += `\n${line}`;
}

function described(error, label) {
  const said = spoken(error);
  let stack;
  try {
    stack = error.stack;
  } catch {
    stack = undefined;
  }
  if (typeof stack !== "string") return shortened(`thrown: ${said}`, MESSAGE_MAX);
  return shortened(said, MESSAGE_MAX) + place(stack, label);
}

function place(stack, label) {
  const start = indexOf(stack, `${label}:`);
  if (start < 0) return "";
  let line = 0;
  for (let i = start + label.length + 1; stack[i] >= "0" && stack[i] <= "9" && line < 1e9; i++) {
    line = line * 10 + +stack[i];
  }
  return line > LINES_BEFORE ? ` (line ${line - LINES_BEFORE})` : "";
}

// ---------------------------------------------------------------- messages

const answers = {
  __proto__: null,

  open({ at, seed, outputMax, logMax, moment: source, store }) {
    world.at = at;
    world.seed = seed;
    world.outputMax = outputMax;
    world.logMax = logMax;
    world.moment = source;
    shared.store = makeStore(store);
    shared.face = awaited(shared.store);
    return "null";
  },

  // Null, or why the text is not a script.
  check({ source, aggregates }) {
    try {
      compiled(source, aggregates ? WITH_SESSION : PARAMETERS);
      return "null";
    } catch (error) {
      return stringify(spoken(error));
    }
  },

  define({ node, transform, flush, timeout, aggregates, store }) {
    const parameters = aggregates ? WITH_SESSION : PARAMETERS;
    nodes[node] = makeNode(
      node,
      compiled(transform, parameters),
      flush === null ? null : compiled(flush, parameters),
      timeout === null ? null : compiled(timeout, parameters),
      makeStore(store),
    );
    return "null";
  },

  run({ node, records, metas }) {
    begin(nodes[node], nodes[node].transform, records, metas, null);
    step();
  },

  // The sessions that the next records of a node meet.
  meet({ node, sessions, metaField }) {
    nodes[node].aggregate = makeAggregate(sessions, metaField);
    return "null";
  },

  // Runs a part of the scripts for records, each with the session of its key. Only a transform
  // has records; the other parts see sessions alone.
  aggregate({ node, part, records, metas, keys }) {
    const { aggregate } = nodes[node];
    aggregate.keys = keys;
    aggregate.counts = part === "transform";
    if (!aggregate.counts) for (let i = 0; i < records.length; i++) records[i] = undefined;
    begin(nodes[node], nodes[node][part], records, metas, aggregate);
    step();
  },

  // What the sessions of a node have become since they were met, as texts; null: they are over.
  part({ node }) {
    const { changed } = nodes[node].aggregate;
    nodes[node].aggregate = null;
    return stringify(changed);
  },

  flush({ node, meta }) {
    begin(nodes[node], nodes[node].flush, [undefined], [meta], null);
    step();
  },

  // What changed since this was last asked, each value as a text of its own.
  effects() {
    const changes = { __proto__: null, stores: dictionary(), audit: dictionary() };
    for (const id in nodes) {
      const { store, audit } = nodes[id];
      changes.stores[id] = store.changed;
      changes.audit[id] = audit.changed;
      store.changed = dictionary();
      audit.changed = dictionary();
    }
    changes.shared = shared.store.changed;
    changes.dropped = logged.dropped;
    shared.store.changed = dictionary();
    logged.size = logged.dropped = 0;
    return stringify(changes);
  },
};

// Called with the text of a message as `this`, or with "" to go on with a run. The answer is
// fetched with `take`, after the promises of the scripts have run.
function drive() {
  if (this === "") {
    step();
    return;
  }
  const message = decode(this);
  run = null;
  reply = answers[message.op](message);
}

// The answer: "=" and all of it, or "+" and a part, after which `drive` is called with "".
// The first line of a run's answer is its log, each other line the outcome of one record.
function take() {
  if (run === null) return `=${reply}`;
  if (!run.paused) {
    // All promises have run and the script still waits: nothing is left that could wake it.
    run.turn++;
    finish(run, stringify("Error: the script never ended: it awaits what nothing will settle"));
  }
  const last = run.index === run.records.length;
  const text = `${last ? "=" : "+"}[${logged.lines}]${run.lines}`;
  run.lines = "";
  logged.lines = "";
  if (last) run = null;
  return text;
}

return { __proto__: null, drive, take, buffer };
