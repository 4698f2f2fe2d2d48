// Values as text: how records, pushed objects and stored values enter and leave JavaScript.

const DEPTH_MAX = 100;
const BIGINT_DIGITS_MAX = 4000;

// JSON has no text for these, so they travel as numbers beyond every double. The other side
// (exact.py) knows the same three texts.
const NOT_A_NUMBER = "9E+999999";
const INFINITE = "1E+999999";
const MINUS_INFINITE = "-1E+999999";
const BEYOND = "E+999999";

const revive = (key, value, context) =>
  typeof value === "number" && context.source === NOT_A_NUMBER ? NaN : value;

const decode = (text) => (includes(text, BEYOND) ? parse(text, revive) : parse(text));

// The text of a value, or undefined where JSON has none. The plain stringify is several times
// faster than the one with a function. It writes `null` for non-finite numbers and refuses big
// integers, so it is enough wherever it neither throws nor writes a null.
function encode(value) {
  let text;
  try {
    text = stringify(value);
  } catch {
    text = stringify(value, exactly);
  }
  if (text === undefined) return undefined;
  if (includes(text, "null")) text = stringify(value, exactly);
  if (text.length >= 2 * DEPTH_MAX) checkDepth(text);
  if (includes(text, "\\ud")) checkSurrogates(text);
  return text;
}

function exactly(key, value) {
  if (typeof value === "bigint") {
    const digits = "" + value;
    if (digits.length > BIGINT_DIGITS_MAX) throw new OutOfRange("a BigInt has too many digits");
    return rawJSON(digits);
  }
  if (typeof value !== "number" || value - value === 0) return value;
  return rawJSON(value !== value ? NOT_A_NUMBER : value > 0 ? INFINITE : MINUS_INFINITE);
}

// Deep values are refused here so that no reader on the other side can run out of stack.
function checkDepth(text) {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === "\\") i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === "{" || c === "[") {
      if (++depth > DEPTH_MAX) {
        throw new OutOfRange(`a value is nested more than ${DEPTH_MAX} levels deep`);
      }
    } else if (c === "}" || c === "]") depth--;
  }
}

// stringify writes half a surrogate pair as \udxxx and every other character as itself.
function checkSurrogates(text) {
  for (let i = indexOf(text, "\\ud"); i >= 0; i = indexOf(text, "\\ud", i + 3)) {
    let slashes = 0;
    while (slashes < i && text[i - slashes - 1] === "\\") slashes++;
    if (slashes % 2 === 0) {
      throw new WrongType("a text holds half a surrogate pair; toWellFormed() repairs it");
    }
  }
}

function shortened(text, size) {
  if (text.length > size) text = cut(text, 0, size);
  return isWellFormed(text) ? text : toWellFormed(text);
}

function kindOf(value) {
  return value === null ? "null" : typeof value;
}

// What a thrown or logged value says, whatever it is; never throws and calls nothing twice.
function spoken(value) {
  try {
    if (typeof value !== "object" || value === null) return Text(value);
    const { name, message } = value;
    if (typeof message !== "string") return encode(value);
    return (typeof name === "string" ? name : "Error") + (message === "" ? "" : `: ${message}`);
  } catch {
    return "a value that cannot be shown";
  }
}
