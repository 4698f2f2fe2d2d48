// Sessions of an aggregating script: what has been gathered under a key, and what may be done
// with it. Between two records a session is a text, so that a record whose script throws leaves
// it as it was.

const isoText = method(RealDate.prototype, "toISOString");
// Numbers below this are no instants (it is 1973 there) but milliseconds from now.
const FIRST_INSTANT = 1e11;
const NO_DATA = "{}";

const isoOf = (milliseconds) => isoText(construct(RealDate, [milliseconds]));

// `sessions` are by key: `name`, `fields`, and `state`, the text of {data, meta, timeoutAt}.
function makeAggregate(sessions, metaField) {
  const heads = dictionary();
  const states = dictionary();
  const keys = keysOf(sessions);
  for (let i = 0; i < keys.length; i++) {
    heads[keys[i]] = sessions[keys[i]];
    states[keys[i]] = sessions[keys[i]].state;
  }
  return { heads, states, changed: dictionary(), metaField, keys: null, counts: false };
}

function openSession(aggregate, index, sink) {
  const key = aggregate.keys[index];
  const { name, fields } = aggregate.heads[key];
  const { data, meta, timeoutAt } = decode(aggregate.states[key]);
  const own = { aggregate, key, sink, fields, over: false, before: meta, face: null };
  own.face = {
    __proto__: null,
    key: name,
    data,
    meta: aggregate.counts ? counted(meta) : { ...meta },
    timeoutAt,
    push: async (exclude = false, type = "PUSH") => leave(own, exclude, type),
    flush: async (exclude = false, type = "FLUSH") => {
      leave(own, exclude, type);
      restart(own, exclude);
    },
    setTimeout: (when) => {
      own.face.timeoutAt = instantText(when);
    },
    clearTimeout: () => {
      own.face.timeoutAt = null;
    },
  };
  return own;
}

function counted(meta) {
  const now = isoOf(world.at);
  const count = typeof meta.count === "number" ? meta.count + 1 : 1;
  const firstEvent = typeof meta.firstEvent === "string" ? meta.firstEvent : now;
  return { ...meta, count, firstEvent, lastEvent: now };
}

// Lets the session out: the fields of its key, over them its data, and its meta where it is asked
// for. Without the present record, the meta is what it was before.
function leave(own, exclude, type) {
  if (typeof type !== "string") throw new WrongType(`a flush type is a text, not ${kindOf(type)}`);
  const { data, meta } = own.face;
  objectText(data, "session.data");
  objectText(meta, "session.meta");
  const shown = exclude && own.aggregate.counts ? own.before : meta;
  own.face.meta = { ...meta, flushType: type };
  const record = dictionary();
  copyInto(record, own.fields);
  copyInto(record, data);
  const { metaField } = own.aggregate;
  if (metaField !== null) record[metaField] = { ...shown, flushType: type };
  own.sink.push(record);
}

// After a flush a new session begins: with the present record where that was excluded.
function restart(own, exclude) {
  const again = !!exclude && own.aggregate.counts;
  own.over = !again;
  own.before = { count: 0 };
  own.face.data = {};
  own.face.meta = again ? counted(own.before) : { count: 0 };
  own.face.timeoutAt = null;
}

function copyInto(record, object) {
  const names = keysOf(object);
  for (let i = 0; i < names.length; i++) record[names[i]] = object[names[i]];
}

function objectText(value, what) {
  const text = encode(value);
  if (text === undefined || text[0] !== "{") {
    throw new WrongType(`${what} must be an object, not ${kindOfText(text, value)}`);
  }
  return text;
}

// Null, or an instant as ISO 8601 text: of a date, a moment, a text or a number.
function instantText(when) {
  if (when === null || when === undefined) return null;
  let milliseconds = typeof when === "string" ? +construct(RealDate, [when]) : +when;
  if (milliseconds - milliseconds !== 0) {
    throw new OutOfRange(`a time-out is a date, not ${shortened(spoken(when), 100)}`);
  }
  if (typeof when === "number" && when < FIRST_INSTANT) milliseconds += world.at;
  return isoOf(milliseconds);
}

// Takes a session over as the script has left it. One that was flushed is over, unless something
// has been put into it since.
function keepSession(own) {
  const { aggregate, key, face } = own;
  const data = objectText(face.data, "session.data");
  if (own.over && data === NO_DATA) {
    aggregate.states[key] = '{"data":{},"meta":{"count":0},"timeoutAt":null}';
    aggregate.changed[key] = null;
    return;
  }
  const meta = objectText(face.meta, "session.meta");
  const timeoutAt = stringify(instantText(face.timeoutAt));
  const text = `{"data":${data},"meta":${meta},"timeoutAt":${timeoutAt}}`;
  aggregate.states[key] = aggregate.changed[key] = text;
}
