// What a script is given: store and sharedStore, audit, log and require.

const TEXT_MAX = 100000;

function keyText(key) {
  if (typeof key === "string") return shortened(key, TEXT_MAX);
  if (typeof key === "number") return "" + key;
  throw new WrongType(`a key must be a text, not ${kindOf(key)}`);
}

// Values are kept as text: what was stored does not change when the script's object does.
function makeStore(initial) {
  const values = dictionary();
  const names = keysOf(initial);
  for (let i = 0; i < names.length; i++) values[names[i]] = initial[names[i]];
  const store = { changed: dictionary(), get, set, remove, has, keys };

  function get(key) {
    const name = keyText(key);
    return name in values ? decode(values[name]) : null;
  }

  function set(key, value) {
    const name = keyText(key);
    const text = encode(value);
    if (text === undefined) throw new WrongType(`a store cannot keep a value of ${kindOf(value)}`);
    store.changed[name] = values[name] = text;
  }

  function remove(key) {
    const name = keyText(key);
    if (!(name in values)) return false;
    delete values[name];
    store.changed[name] = null;
    return true;
  }

  function has(key) {
    return keyText(key) in values;
  }

  function keys() {
    return keysOf(values);
  }

  return store;
}

const direct = ({ get, set, remove, has, keys }) => freeze({ get, set, delete: remove, has, keys });

const awaited = ({ get, set, remove, has, keys }) =>
  freeze({
    get: async (key) => get(key),
    set: async (key, value) => set(key, value),
    delete: async (key) => remove(key),
    has: async (key) => has(key),
    keys: async () => keys(),
  });

const shared = { store: makeStore({}), face: null };

// ---------------------------------------------------------------- audit

function makeAudit(audit) {
  const change = (key, value) => {
    audit.changed[key] = audit.values[key] = value;
  };
  const add = (key, amount) => {
    const name = keyText(key);
    const number = typeof amount === "bigint" ? +("" + amount) : amount;
    if (typeof number !== "number" || number - number !== 0) {
      throw new WrongType(`audit.sum needs a finite number, not ${spoken(amount)}`);
    }
    const before = audit.values[name];
    change(name, (typeof before === "number" ? before : 0) + number);
  };
  return freeze({
    count: (key) => add(key, 1),
    sum: (key, amount) => add(key, amount),
    set: (key, value) => {
      const number = typeof value === "number" && value - value === 0;
      if (typeof value === "string") change(keyText(key), shortened(value, TEXT_MAX));
      else if (number || typeof value === "boolean") change(keyText(key), value);
      else throw new WrongType("audit.set needs a text, a finite number or a boolean");
    },
  });
}

// ---------------------------------------------------------------- log

// The lines since the last answer, and the size of those since the effects were last asked for.
const logged = { lines: "", size: 0, dropped: 0 };

function makeLog(id) {
  const write = (level, given) => {
    const line = stringify(shortened(formatted(given), TEXT_MAX));
    if (logged.size + line.length > world.logMax) {
      logged.dropped++;
      return;
    }
    logged.size += line.length + 64;
    const comma = logged.lines === "" ? "" : ",";
    logged.lines += `${comma}[${stringify(id)},"${level}",${line}]`;
  };
  return freeze({
    info() {
      write("info", arguments);
    },
    warning() {
      write("warning", arguments);
    },
    error() {
      write("error", arguments);
    },
  });
}

// printf style: %s text, %d number, %j JSON, %% a percent sign; what is left over follows.
function formatted(given) {
  const template = given.length > 0 && typeof given[0] === "string" ? given[0] : "";
  let used = given.length > 0 && typeof given[0] === "string" ? 1 : 0;
  let text = "";
  let copied = 0;
  for (let i = indexOf(template, "%"); i >= 0; i = indexOf(template, "%", i)) {
    const code = template[i + 1];
    if (code === "%") text += cut(template, copied, i + 1);
    else if ((code === "s" || code === "d" || code === "j") && used < given.length) {
      text += cut(template, copied, i) + shown(given[used++], code);
    } else {
      i += 1;
      continue;
    }
    copied = i += 2;
    if (text.length > TEXT_MAX) return text;
  }
  text += cut(template, copied);
  for (; used < given.length; used++) text += (text === "" ? "" : " ") + shown(given[used], "s");
  return text;
}

function shown(value, code) {
  try {
    if (code === "d") return "" + (typeof value === "bigint" ? value : +value);
    if (code === "j") return "" + encode(value);
  } catch {
    return code === "d" ? "NaN" : "[no JSON]";
  }
  return spoken(value);
}

// ---------------------------------------------------------------- modules

let moment;

function requireModule(name) {
  if (name !== "moment") {
    throw new Failure(`module "${spoken(name)}" does not exist here; "moment" is the only one`);
  }
  if (moment === undefined) {
    const module = { exports: {} };
    construct(PlainFunction, ["module", "exports", world.moment])(module, module.exports);
    moment = module.exports;
  }
  return moment;
}
