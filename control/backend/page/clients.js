// The client ports with their policies, the provider port's own, and what holds for the whole proxy.

import { draft } from "./draft.js";
import { Rows, el, icon, newId, put, say, tell } from "./dom.js";
import { field } from "./fields.js";
import { orWords, t } from "./i18n.js";
import { isFree, nameFor } from "./provider.js";
import { wrong } from "./told.js";
import { fromToml, plain, toToml } from "./toml.js";

/** Keys by what they are about. Keys of a role that the port has not mean nothing to it, and are left out. */
const PARTS = {
  address: ["address", "querier-address"],
  access: ["access", "max-groups", "static-groups", "sources", "sources-allowed"],
  leaving: ["igmp-version", "ignore-v1", "fast-leave", "report-isolated", "link-down-hold"],
  provider: ["re-report-interval", "suppress", "leave"],
  querier: ["forward-when-not-querier", "router-discovery"],
  timers: [
    "query-interval",
    "query-response-interval",
    "robustness",
    "last-member-query-interval",
    "last-member-query-count",
    "unsolicited-report-interval",
  ],
  strictness: ["require-router-alert", "any-ttl", "require-on-link-source"],
};
const FOR_PROVIDER = new Set(["sources-allowed", "re-report-interval", "suppress", "leave", "unsolicited-report-interval"]);
const FOR_CLIENTS = new Set([
  "querier-address",
  "igmp-version",
  "ignore-v1",
  "fast-leave",
  "report-isolated",
  "access",
  "max-groups",
  "static-groups",
  "sources",
  "forward-when-not-querier",
  "router-discovery",
  "link-down-hold",
  "require-on-link-source",
]);
const KNOWN = new Set([...Object.values(PARTS).flat(), "device"]);

const isProvider = (port) => fromToml(draft.value(null, "upstream")) === port;

const means = (key, provider) => (provider ? !FOR_CLIENTS.has(key) : !FOR_PROVIDER.has(key));

/** What a closed port tells of itself: address and what is not at its default. */
function digest(port, provider) {
  const set = port.keys.filter(({ key, origin }) => means(key, provider) && !["device", "address"].includes(key) && origin !== "default" && origin !== "defaults");
  return set.map(({ key }) => `${orWords(`key.${key}`, key)}: ${plain(draft.value(port.name, key))}`).join(" · ");
}

/** The fields of one port, made when it is first opened. */
function fieldsOf(port, provider) {
  const made = new Map();
  const sections = [];
  const rest = port.keys.filter(({ key, live }) => live && !KNOWN.has(key)).map(({ key }) => key);
  for (const [part, keys] of [...Object.entries(PARTS), ["more", rest]]) {
    const views = keys.map((key) => port.keys.find((view) => view.key === key)).filter((view) => view && means(view.key, provider));
    if (views.length > 0) {
      const fields = views.map((view) => {
        const one = field(port.name, view);
        made.set(view.key, one);
        return one.node;
      });
      sections.push(el("section", { class: "part" }, el("h4", null, t(`part.${part}`)), el("div", { class: "fields" }, fields)));
    }
  }
  const fixed = port.keys.filter(({ live, value }) => !live && value !== null);
  const facts = fixed.map(({ key, value }) => [el("dt", null, orWords(`key.${key}`, key)), el("dd", null, plain(value))]);
  sections.push(el("section", { class: "part" }, el("h4", null, t("part.fixed")), el("dl", { class: "facts" }, facts)));
  return { node: el("div", null, sections), made };
}

function portRow(first) {
  const [name, role, facts, badge] = [el("span", { class: "device" }), el("span", { class: "tag" }), el("span", { class: "muted digest" }), el("span", { class: "tag changed" })];
  const inside = el("div", { class: "inside-port" });
  const node = el("details", { class: "port", "data-name": first.name }, el("summary", null, name, role, badge, facts), inside);
  const remove = el("button", { type: "button", class: "danger", onclick: () => draft.change(first.name, "device", null) }, t("port.remove"));
  let port = first;
  let fields = null;
  let provider = null;
  const fill = () => {
    if (node.open && (fields === null || provider !== isProvider(port.name))) {
      provider = isProvider(port.name);
      fields = fieldsOf(port, provider);
      inside.replaceChildren(fields.node, ...(port.added && !provider ? [remove] : []));
    }
  };
  node.addEventListener("toggle", () => {
    fill();
    update(port);
  });
  const update = (now) => {
    port = now;
    fill();
    const mine = [...draft.edits.values()].filter((edit) => edit.port === port.name);
    const wrong = mine.some((edit) => draft.problem(edit.port, edit.key));
    const going = mine.some((edit) => edit.key === "device");
    say(name, port.name);
    const towards = isProvider(port.name) ? "upstream" : "client";
    say(role, t(`port-role.${towards}`));
    role.className = `tag ${towards}`;
    const address = plain(draft.value(port.name, "address")) || t("port.no-address");
    say(facts, [port.device === port.name ? null : port.device, address, digest(port, isProvider(port.name))].filter(Boolean).join(" · "));
    badge.hidden = mine.length === 0;
    say(badge, going ? t("port.going") : wrong ? t("port.wrong") : t("port.edited", { n: mine.length }));
    badge.className = wrong ? "tag wrong" : "tag changed";
    remove.disabled = going;
    // A field that is refused is not left hidden.
    if (wrong && !node.open) {
      node.open = true;
    }
    for (const view of port.keys) {
      fields?.made.get(view.key)?.update(view);
    }
  };
  update(first);
  return { node, update };
}

/** A port that is to come: its name, its device, its address. */
function newRow({ name }) {
  const id = newId("new");
  const address = el("input", { id, type: "text", placeholder: "10.9.0.1/24", spellcheck: "false", autocomplete: "off", size: 20, "aria-describedby": `${id}-error`, oninput: () => draft.change(name, "address", address.value.trim() ? toToml(address.value.trim()) : null) });
  const [error, device, role] = [el("p", { class: "error", id: `${id}-error` }), el("span", { class: "muted" }), el("span", { class: "tag" })];
  const node = el(
    "div",
    { class: "port new", "data-name": name },
    el("div", { class: "new-head" }, el("span", { class: "device" }, name), role, el("span", { class: "tag changed" }, t("port.new")), device),
    el("div", { class: "field-row" }, el("label", { for: id }, t("key.address")), address, el("button", { type: "button", class: "quiet", onclick: away }, icon("back"), t("field.undo"))),
    el("p", { class: "hint" }, t("port.new-hint")),
    error,
  );
  function away() {
    if (isProvider(name)) {
      draft.undo(null, "upstream");
    }
    draft.undoPort(name);
  }
  const update = (port) => {
    say(device, fromToml(port.device) ?? "");
    say(role, t(`port-role.${isProvider(name) ? "upstream" : "client"}`));
    const value = plain(draft.value(name, "address"));
    if (document.activeElement !== address) {
      address.value = value;
    }
    const problems = (draft.preview?.problems ?? []).filter((problem) => problem.port === name);
    tell(error, problems.flatMap(wrong));
    put(address, "aria-invalid", problems.length > 0 ? "true" : null);
  };
  return { node, update };
}

/** What is chosen from, to make a port of it. */
function adder() {
  const which = el("select", { "aria-label": t("port.add-which") });
  const add = el("button", { type: "button", onclick: () => which.value && draft.change(nameFor(which.value), "device", toToml(which.value)) }, t("port.add"));
  const none = el("span", { class: "muted" }, t("port.none-free"));
  const node = el("div", { class: "adder" }, which, add, none);
  let shown = "";
  const update = () => {
    const taken = new Set(draft.newPorts.map(({ device }) => fromToml(device)));
    const free = draft.connections.filter((connection) => isFree(connection) && !connection.port && !taken.has(connection.device));
    const now = free.map(({ device }) => device).join("\n");
    if (shown !== now) {
      shown = now;
      which.replaceChildren(...free.map(({ device, kind, kind_text }) => el("option", { value: device }, `${device} (${orWords(`kind.${kind}`, kind_text)})`)));
    }
    which.hidden = add.hidden = free.length === 0;
    none.hidden = free.length > 0;
  };
  return { node, update };
}

/** The ports. */
export function portsForm() {
  const [list, coming] = [el("div", { class: "port-list" }), el("div", { class: "port-list" })];
  const rows = new Rows(list, (port) => port.name, portRow);
  const newRows = new Rows(coming, (port) => port.name, newRow);
  const more = adder();
  // Ports can be looked into where their fields are locked: what opens them is no field.
  const fieldset = el("fieldset", null, list, coming, more.node);
  const node = el(
    "section",
    { class: "panel" },
    el("div", { class: "panel-head" }, el("h2", null, t("clients"))),
    el("p", { class: "muted lead" }, t("clients.what")),
    fieldset,
  );
  const update = (locked) => {
    fieldset.disabled = locked;
    const ports = draft.settings?.ports ?? [];
    const provider = (port) => (isProvider(port.name) ? 1 : 0);
    rows.show([...ports].sort((a, b) => provider(a) - provider(b)));
    newRows.show(draft.newPorts);
    more.update();
  };
  return { node, update };
}

/** Keys of the whole proxy, but for the switch and the provider's port, which have their own places. */
export function wholeForm() {
  const fields = new Map();
  const box = el("div", { class: "fields" });
  const fieldset = el("fieldset", null, box);
  const node = el("section", { class: "panel" }, el("div", { class: "panel-head" }, el("h2", null, t("whole"))), fieldset);
  const update = (locked) => {
    fieldset.disabled = locked;
    for (const view of draft.settings?.proxy ?? []) {
      if (["enabled", "upstream"].includes(view.key) || (!view.live && view.value === null)) {
        continue;
      }
      if (!fields.has(view.key)) {
        fields.set(view.key, field(null, view));
        box.append(fields.get(view.key).node);
      }
      fields.get(view.key).update(view);
    }
    node.hidden = fields.size === 0;
  };
  return { node, update };
}
