// The languages say the same things.

import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";

const PAGE = new URL("../../control/backend/page/", import.meta.url);
const read = (name) => fs.readFileSync(new URL(name, PAGE), "utf8");
// The page's folder has no package.json, which is what would tell node that these are modules.
const load = async (tag) => (await import(`data:text/javascript,${encodeURIComponent(read(`${tag}.js`))}`)).default;
const [en, ru] = await Promise.all(["en", "ru"].map(load));

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
      .filter((key) => !Object.hasOwn(en, key))
      .map((key) => `${name}: ${key}`),
  );
  assert.deepEqual(missing, []);
});
