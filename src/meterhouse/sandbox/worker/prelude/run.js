// Nodes, the loop that runs a script over a slice of records, and the messages of the worker.

const PARAMETERS = "payload, meta, push, state, store, sharedStore, audit, log, require";
// Lines that the constructor of async functions puts before the body.
const LINES_BEFORE = 2;
const MESSAGE_MAX = 1000;
// A step ends after this much time or text, so that the worker hears from long slices.
const STEP_MILLISECONDS = 200;
const STEP_TEXT = 1 << 20;

const nodes = dictionary();
const stream = { state: {} };
let scripts = 0;

function compiled(source) {
  const label = `meterhouse-script-${++scripts}`;
  const call = construct(AsyncFunction, [PARAMETERS, `${source}\n//# sourceURL=${label}`]);
  return { label, call };
}

function makeNode(id, transform, flush, store) {
  const audit = { values: dictionary(), changed: dictionary() };
  return {
    id,
    transform,
    flush,
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

const begin = (node, script, records, metas) => {
  run = {
    node, script, records, metas, index: 0, turn: 0, paused: false, lines: "", sink: makeSink(),
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
  check({ source }) {
    try {
      compiled(source);
      return "null";
    } catch (error) {
      return stringify(spoken(error));
    }
  },

  define({ node, transform, flush, store }) {
    nodes[node] = makeNode(
      node,
      compiled(transform),
      flush === null ? null : compiled(flush),
      makeStore(store),
    );
    return "null";
  },

  run({ node, records, metas }) {
    begin(nodes[node], nodes[node].transform, records, metas);
    step();
  },

  flush({ node, meta }) {
    begin(nodes[node], nodes[node].flush, [undefined], [meta]);
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
