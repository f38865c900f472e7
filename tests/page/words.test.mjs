// The languages say the same things.

import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { phrases, places as emptied } from "./phrases.mjs";

const PAGE = new URL("../../control/backend/page/", import.meta.url);
const API = new URL("../../control/api/src/", import.meta.url);
const read = (name, folder = PAGE) => fs.readFileSync(new URL(name, folder), "utf8");
// The page's folder has no package.json, which is what would tell node that these are modules.
const load = (tag) => import(`data:text/javascript,${encodeURIComponent(read(`${tag}.js`))}`);
const [en, ru, told, said, done] = (await Promise.all(["en", "ru", "told-ru", "said-ru", "done-ru"].map(load))).map((file) => file.default);
const { sentences } = await load("sentences");
const lines = [...done, ...said];

/** A file of ours. */
const source = (file) => fileURLToPath(new URL(`../../${file}`, import.meta.url));

const places = (text) => [...JSON.stringify(text).matchAll(/\{(=?\w+)\}/g)].map(([, name]) => name);

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

/**
 * Where sentences come from that reach the page, and which of them there do not: what is of keys that it does not offer, of
 * files that it does not read, of virtual devices, of the start, of programs, and commands.
 */
const SPOKEN = {
  "control/settings/src/assemble.rs": [/^only the administrator's file may/, /^set it in manifold.toml$/],
  "control/settings/src/check.rs": [/^add a \[\[port\]\] with/, /^there is no port$/],
  "control/settings/src/combinations.rs": [],
  "control/settings/src/device.rs": [/net_af_packet/, /qdisc_bypass/, /iface=NAME/, /name is too long$/, /^DPDK allows/],
  "control/settings/src/difference.rs": [],
  "control/settings/src/duration.rs": [],
  "control/settings/src/edit.rs": [/^#/, /the live layer/, /^mend the file/],
  "control/settings/src/live.rs": [/^\{\}: \{\}; to have it/, /^manifoldctl unset/],
  "control/settings/src/memory.rs": [/^`memory-mb` in/, /^set it to/, /is a PCI device/, /`hugepages`/, /^\{\}, and port/],
  "control/settings/src/options.rs": [/^only the administrator's file may/],
  "control/settings/src/port.rs": [/has no device$/, /^each port has/, /^set it in the \[\[port/, /^set `(device|name|upstream)`/, /has no name$/, /^the port's name in quotes$/, /^a port's role/],
  "control/settings/src/reader.rs": [/^mend the line/, /stands? (here|in one)/, /^leave one of the two/, /^write \[\[/, /^put all of its/, /^duplicate key$/, /top level$/, /; write \[/, /^the keys here/, /^unknown key/],
  "control/settings/src/roles.rs": [],
  "dataplane/src/doubts.rs": [],
  "dataplane/src/interfaces.rs": [/^an (earlier run|interface was not)/],
  "dataplane/src/losses.rs": [],
  "dataplane/src/machine.rs": [/^`cores` is "auto"/, /^this DPDK counts/, /^they are more than half/],
  "dataplane/src/macs.rs": [],
  "dataplane/src/numa.rs": [/^no memory for buffers/],
  "dataplane/src/quota.rs": [],
  "dataplane/src/runtime/change.rs": [/^the log's level/, /it still will$/],
  "dataplane/src/runtime/prepare.rs": [],
  "dataplane/src/runtime/refused.rs": [],
  "dataplane/src/runtime/requests.rs": [],
  "dataplane/src/runtime/told.rs": [/^nothing was changed: /, /^the settings are the same/, /^the provider's port was/, /^workers stood/],
  "control/src/agent.rs": [/^the group table is full; /],
  "control/src/events.rs": [],
  "control/src/show.rs": [/^this (process|is not)/, /^ask the/, /^stop it/],
  "control/igmp/src/action.rs": [],
  "control/links/src/info.rs": [/^list the interfaces/, /^set `\{\}` up/, /^interface was down/],
  "control/links/src/refusal.rs": [/^(ovs-vsctl|ip|sysctl) /, /^\{\} # then/, /^of the kind/, /^the loopback interface/, /^an \{\} interface/, /^use a macvlan/, /^for a try/],
  "control/types/src/loss.rs": [],
  "control/api/src/client.rs": [/too long for a socket/, /at most 107/, /not asked for$/],
  "control/backend/src/proxy/mod.rs": [],
  "control/backend/src/proxy/unit.rs": [/^`(journalctl|systemctl) /],
  "control/backend/src/rest/show.rs": [/^The group's address/],
};

test("whatever the proxy says in sentences has them in Russian", () => {
  const english = emptied(lines.map(([text]) => text).join("\n"));
  const missing = Object.entries(SPOKEN).flatMap(([file, silent]) => {
    const all = phrases(source(file));
    const stray = silent.filter((pattern) => !all.some((phrase) => pattern.test(phrase)));
    assert.deepEqual(stray, [], `${file}: what is to be left out is not there`);
    const spoken = all.filter((phrase) => !silent.some((pattern) => pattern.test(phrase)));
    // Sentences that stand after one another may have a line each.
    const unknown = spoken.filter((phrase) => !english.includes(phrase) && phrase.split("; ").some((part) => !english.includes(part)));
    return unknown.map((phrase) => `${file}: ${phrase}`);
  });
  assert.deepEqual(missing, []);
});

test("what holds where a key is not set has words in both languages", () => {
  // Keys that the page does not offer, and one that it shows as a choice.
  const silent = [/^"router"; /, /not a worker's$/, /^computed from/, /^the number of ports$/, /^root alone$/];
  const all = phrases(source("control/settings/src/keys.rs"));
  const missing = all.filter((words) => !silent.some((pattern) => pattern.test(words)) && !Object.hasOwn(ru, `words.${words}`));
  assert.deepEqual(missing, []);
});

test("a sentence in Russian fills in what the English has, and no line is there twice", () => {
  for (const [english, russian] of lines) {
    const unknown = places(russian).filter((name) => !places(english).includes(name));
    assert.deepEqual(unknown, [], english);
  }
  const twice = lines.map(([english]) => english).filter((english, at, all) => all.indexOf(english) !== at);
  assert.deepEqual(twice, []);
});

test("sentences are found with their values, one after the other, and nothing is half in Russian", () => {
  const russian = sentences(lines);
  for (const [english, expected] of [
    ["`max-groups` is 0", "`max-groups`: 0 не подходит"],
    ["it takes a whole number from 1 to 1048576 groups", "допустимо целое число от 1 до 1048576 (групп)"],
    ['it takes "off", "single" or "tracked"', "допустимо: off, single или tracked"],
    ["it takes 1s to 65535s", "допустимо от 1s до 65535s"],
    [
      '/etc/m.toml:12:3: `fast-leave` of port "a" does nothing where `igmp-version` is 1; leave one of the two out: version 1 has no Leave',
      "/etc/m.toml:12:3: `fast-leave` порта a при `igmp-version` 1 ничего не делает; уберите одно из двух: в версии 1 отписок нет",
    ],
    ['port "hall-a": access is ["deny 239.0.0.0/8"], was not set', 'порт hall-a: access – ["deny 239.0.0.0/8"], не было задано'],
    ["[proxy] enabled is false, was true", "[proxy] enabled – false, было true"],
    [
      "frames are lost: 12 rx-errors (received damaged, or longer than the NIC takes), 3 tx-errors (taken for sending, and not sent); look at the cable, the optics and the far end, and at the port's `mtu`",
      "12 – пришло с ошибками или длиннее, чем берёт карта, 3 – взято на отправку и не отправлено; проверьте кабель, оптику, другой конец и `mtu` порта",
    ],
    [
      'port "x": there is no interface `eth9`; these could serve: eth1, eth2; or take the port out with `manifoldctl remove-port x`',
      "порт x: интерфейса eth9 нет; подошли бы: eth1, eth2; или уберите порт: `manifoldctl remove-port x`",
    ],
    ["we are querier, from 10.1.0.1; it is the first of its kind", null],
    ["nothing like it", null],
  ]) {
    assert.equal(russian(english), expected, english);
  }
});
