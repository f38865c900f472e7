// Sentences in another language: lines of the English, with places for values, and of what it is there.

/** What a place is filled with, where that is not just anything. */
const SHAPES = {
  key: "[^`]+",
  n: "\\d+",
  m: "\\d+",
  time: "[\\d.]+(?:ms|s|min|h)",
  times: "[\\d.]+(?:ms|s|min|h)",
  word: "[\\w-]+",
  address: "[\\d.]+",
  host: "[\\d.]+",
  group: "[\\d.]+",
  names: "[^;]+",
  decimal: "[\\d.]+",
  cores: "[\\d.]+ cores",
  needed: "[\\d.]+ cores",
  raise: "raise [^)]+\\)",
  fewer: "(?:, name [^,]+)?",
  of: '(?: (?:of|for) port "[^"]+")?',
};

const plain = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** `{fits, names, there}` of a line: its places are `{name}`, or `{=name}` where they hold words with lines of their own. */
function compiled([english, there]) {
  const names = [];
  const parts = english.split(/\{(=?\w+)\}/).map((part, at) => {
    if (at % 2 === 0) {
      return plain(part);
    }
    names.push(part);
    return `(${SHAPES[part.replace("=", "")] ?? (part.startsWith("=") ? ".*?" : ".+?")})`;
  });
  return { fits: new RegExp(`^${parts.join("")}$`, "s"), names, there };
}

/** What turns a text into that of the other language by these lines, the first that fits; gives `null` where none does. */
export function sentences(lines) {
  const table = lines.map(compiled);

  function one(text) {
    for (const { fits, names, there } of table) {
      const found = fits.exec(text);
      const values = found && names.map((name, at) => (name.startsWith("=") ? all(found[at + 1]) : found[at + 1]));
      if (values && !values.includes(null)) {
        return there.replace(/\{(=?\w+)\}/g, (_, name) => values[names.indexOf(name)]);
      }
    }
    return null;
  }

  /** Several sentences may stand after one another: each has to be there. */
  function all(text) {
    const whole = one(text);
    if (whole !== null) {
      return whole;
    }
    for (let at = text.indexOf("; "); at >= 0; at = text.indexOf("; ", at + 2)) {
      const first = one(text.slice(0, at));
      const rest = first === null ? null : all(text.slice(at + 2));
      if (rest !== null) {
        return `${first}; ${rest}`;
      }
    }
    return null;
  }
  return all;
}
