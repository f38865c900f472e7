// The languages say the same things.

import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";

const PAGE = new URL("../../control/backend/page/", import.meta.url);
const API = new URL("../../control/api/src/", import.meta.url);
const read = (name, folder = PAGE) => fs.readFileSync(new URL(name, folder), "utf8");
// The page's folder has no package.json, which is what would tell node that these are modules.
const load = async (tag) => (await import(`data:text/javascript,${encodeURIComponent(read(`${tag}.js`))}`)).default;
const [en, ru, told] = await Promise.all(["en", "ru", "told-ru"].map(load));

const places = (text) => [...JSON.stringify(text).matchAll(/\{(\w+)\}/g)].map(([, name]) => name);

test("every language has the same keys", () => {
  assert.deepEqual(Object.keys(ru).sort(), Object.keys(en).sort());
});

test("every text has the same places to fill, and every plural its forms", () => {
  for (const key of Object.keys(en)) {
    assert.deepEqual([...new Set(places(ru[key]))].sort(), [...new Set(places(en[key]))].sort(), key);
    assert.equal(typeof ru[key], typeof en[key], key);
    if (typeof en[key] === "object") {
      assert.deepEqual(Object.keys(en[key]), ["one", "other"], key);
      assert.deepEqual(Object.keys(ru[key]), ["one", "few", "many", "other"], key);
    }
  }
});

test("what the page asks for is there", () => {
  const files = fs.readdirSync(PAGE).filter((name) => name.endsWith(".js"));
  const missing = files.flatMap((name) =>
    [...read(name).matchAll(/\bt\(\s*"([^"]+)"/g)]
      .map(([, key]) => key)
      .filter((key) => !Object.hasOwn(en, key) && !Object.hasOwn(told, key))
      .map((key) => `${name}: ${key}`),
  );
  assert.deepEqual(missing, []);
});

/** The variants of an enum of the API's, by their words, each with what its documentation names. */
function variants(file, name) {
  const [, body] = read(file, API).match(new RegExp(`pub enum ${name} \\{\\n([^]*?)\\n\\}`));
  const kebab = (variant) => variant.replace(/(?<=.)[A-Z]/g, "-$&").toLowerCase();
  return [...body.matchAll(/((?: *\/\/\/.*\n)+) *(\w+),/g)].map(([, doc, variant]) => {
    return { word: kebab(variant), named: [...doc.matchAll(/`([\w-]+)`/g)].map(([, word]) => word) };
  });
}

test("whatever the proxy can say has words in Russian, which fill in only what comes with it", () => {
  const findings = variants("finding.rs", "Finding");
  assert.ok(findings.length > 50, `${findings.length}`);
  const values = (word) => findings.find((finding) => finding.word === word).named.flatMap((name) =>
    name !== word && findings.some((finding) => finding.word === name) ? values(name) : [name],
  );
  for (const { word } of findings) {
    assert.ok(Object.hasOwn(told, `finding.${word}`), word);
    const own = Object.keys(told).filter((key) => key.split(".")[1] === word && /^(finding|also|cure)\./.test(key));
    for (const key of own) {
      const unknown = places(told[key]).filter((name) => name !== "port" && !values(word).includes(name));
      assert.deepEqual(unknown, [], key);
    }
  }
  for (const [file, name, prefix] of [
    ["connections.rs", "ObstacleKind", "obstacle"],
    ["events.rs", "EventKind", "event"],
  ]) {
    for (const { word } of variants(file, name)) {
      assert.ok(Object.hasOwn(told, `${prefix}.${word}`), word);
    }
  }
  const words = new Set(findings.map(({ word }) => word));
  const stray = Object.keys(told).filter((key) => /^(finding|cure)\./.test(key) && !words.has(key.split(".")[1]));
  assert.deepEqual(stray, ["cure.no-client-port"]);
});
