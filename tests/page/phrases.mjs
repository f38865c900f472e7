// The phrases in Rust's sources: what a program can say.

import fs from "node:fs";

/** Comments, and what may look like the begin of one: literals, of which the strings are wanted. */
const TOKENS = /\/\/[^\n]*|\/\*[^]*?\*\/|(?<!\w)b?r(#*)"[^]*?"\1|(?<!\w)b?"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])'/g;

/** What a string says, with `{}` for each value in it. */
function meaning(literal) {
  const raw = /^b?r#*"/.test(literal);
  const inside = literal.replace(/^b?r?#*"|"#*$/g, "");
  const text = raw ? inside : inside.replace(/\\\n\s*/g, "").replace(/\\(.)/g, (_, char) => ({ n: "\n", t: "\t" })[char] ?? char);
  return places(text.replaceAll("{{", "\u0001").replaceAll("}}", "\u0002")).replaceAll("\u0001", "{").replaceAll("\u0002", "}");
}

/** A text with `{}` for each of its places. */
export const places = (text) => text.replace(/\{[^{}]*\}/g, "{}");

/** Every phrase of a source, but for those of its tests: strings of more than a word. */
export function phrases(file) {
  const source = fs.readFileSync(file, "utf8").replace(/^#\[cfg\(test\)\]\nmod \w+ \{[^]*?^\}/gm, "");
  const strings = [...source.matchAll(TOKENS)].map(([token]) => token).filter((token) => /^b?r?#*"/.test(token));
  return [...new Set(strings.map(meaning))].filter((text) => /[a-z]{2}.* .*[a-z]{2}/.test(text));
}
