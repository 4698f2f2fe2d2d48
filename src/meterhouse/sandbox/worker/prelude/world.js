// The world of a script: which built-ins are left, what time it is, where randomness comes from.
//
// The files of this folder are joined in the order of PRELUDE (serve.py), and become the body
// of one strict function. Scripts share the context with it, so in all four:
//
// - Every built-in needed after start-up is taken here, before any script runs. A script that
//   replaces or deletes a built-in changes its own world and not this one.
// - Objects with keys of the script's choice have no prototype; all others have every property
//   from the start. Arrays do not grow. So nothing that a script puts on a prototype is called.
// - Nothing of ours is put on the global object. Scripts get values and functions as arguments.

const { apply, construct, defineProperty, getOwnPropertyDescriptor } = Reflect;
const { freeze, keys: keysOf } = Object;
const { parse, stringify, rawJSON } = JSON;
const { floor, imul } = Math;
const AsyncFunction = (async () => {}).constructor;
const PlainFunction = Function;
const Text = String;
const Failure = Error;
const WrongType = TypeError;
const OutOfRange = RangeError;
const RealDate = Date;
const realNow = Date.now;
const settled = freeze(Promise.resolve());

const method = (holder, name) => {
  const call = holder[name];
  return (self, first, second) => apply(call, self, [first, second]);
};
const charCode = method(String.prototype, "charCodeAt");
const includes = method(String.prototype, "includes");
const indexOf = method(String.prototype, "indexOf");
const cut = method(String.prototype, "slice");
const isWellFormed = method(String.prototype, "isWellFormed");
const toWellFormed = method(String.prototype, "toWellFormed");

const dictionary = () => ({ __proto__: null });

const hide = (holder, name, value) =>
  defineProperty(holder, name, { value, writable: true, enumerable: false, configurable: true });

// ---------------------------------------------------------------- clock

// Set when the session is opened, before the first script is known.
const world = { at: 0, seed: "0", outputMax: 0, logMax: 0, moment: "" };

// The clock of a run stands still: each way to ask for the present gives the run's instant.
function FixedDate(year, month, day, hours, minutes, seconds, milliseconds) {
  if (new.target === undefined) return Text(construct(RealDate, [world.at]));
  return construct(RealDate, arguments.length === 0 ? [world.at] : arguments, new.target);
}

defineProperty(FixedDate, "name", { value: "Date" });
defineProperty(FixedDate, "prototype", { value: RealDate.prototype, writable: false });
hide(RealDate.prototype, "constructor", FixedDate);
hide(FixedDate, "now", function now() {
  return world.at;
});
hide(FixedDate, "parse", RealDate.parse);
hide(FixedDate, "UTC", RealDate.UTC);
hide(globalThis, "Date", FixedDate);

const formats = Intl.DateTimeFormat.prototype;
const formatOf = getOwnPropertyDescriptor(formats, "format").get;
const partsOf = formats.formatToParts;
defineProperty(formats, "format", {
  get() {
    const format = apply(formatOf, this, []);
    return (date) => format(date === undefined ? world.at : date);
  },
});
hide(formats, "formatToParts", function formatToParts(date) {
  return apply(partsOf, this, [date === undefined ? world.at : date]);
});

// ---------------------------------------------------------------- randomness

// sfc32: 128 bits of state, seeded by xmur3 from the run's seed and the id of the node.
function generator(text) {
  const word = scrambler(text);
  let a = word();
  let b = word();
  let c = word();
  let d = word();
  const next = () => {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 15; i++) next();
  // 53 bits, as many as a double in [0, 1) has.
  return () => (floor(next() / 32) * 67108864 + floor(next() / 64)) / 9007199254740992;
}

function scrambler(text) {
  let hash = 1779033703 ^ text.length;
  for (let i = 0; i < text.length; i++) {
    hash = imul(hash ^ charCode(text, i), 3432918353);
    hash = (hash << 13) | (hash >>> 19);
  }
  return () => {
    hash = imul(hash ^ (hash >>> 16), 2246822507);
    hash = imul(hash ^ (hash >>> 13), 3266489909);
    return (hash ^= hash >>> 16) | 0;
  };
}

// The generator of the node whose script is running.
let random = generator("");
hide(Math, "random", function random_() {
  return random();
});

// ---------------------------------------------------------------- what goes

// Gone is what reads the clock, waits, observes the garbage collector, runs other code than
// JavaScript, makes numbers that no double can hold, or has no place to write to.
for (const name of [
  "console",
  "WebAssembly",
  "SharedArrayBuffer",
  "Atomics",
  "WeakRef",
  "FinalizationRegistry",
  "Temporal",
]) {
  delete globalThis[name];
}
delete JSON.rawJSON;
delete JSON.isRawJSON;
