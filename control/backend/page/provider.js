// The connection to the provider: every connection of the machine, and why some cannot be it.

import { draft } from "./draft.js";
import { Rows, el, icon, mark, newId, put, say, tell } from "./dom.js";
import { orWords, t } from "./i18n.js";
import * as told from "./told.js";
import { fromToml, toToml } from "./toml.js";

/** A port's name for a device: what names may have. */
export function nameFor(device) {
  const name = device.replace(/^0000:/, "nic-").replace(/[^A-Za-z0-9._-]/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 32);
  return name || "port";
}

/** Why it cannot be chosen: pairs of a reason and a cure, or `null`. */
function obstacles(connection) {
  const found = connection.obstacles.map((obstacle) => told.obstacle(connection, obstacle));
  return connection.carries_page ? [[{ text: t("obstacle.page"), lang: null }, null], ...found] : found;
}

/** Whether it can be the provider's port, now or once it is a port. */
export const isFree = (connection) => connection.usable && !connection.carries_page;

/** The name of the port that it is, or would be. */
export function portOf(connection) {
  const coming = draft.newPorts.find(({ device }) => fromToml(device) === connection.device);
  return connection.port ?? coming?.name ?? nameFor(connection.device);
}

function carrier({ carrier }) {
  return carrier === null ? mark("idle", t("carrier.unknown")) : carrier ? mark("good", t("carrier.yes")) : mark("warn", t("carrier.no"));
}

/** Used first, then what could be, then what cannot. */
const rank = (connection) => (connection.port ? (connection.role === "upstream" ? 0 : 1) : isFree(connection) ? 2 : 3);

function choice(name) {
  return (first) => {
    const id = newId("connection");
    const radio = el("input", { type: "radio", name, id, value: first.device, onchange: () => choose(current), "aria-describedby": `${id}-why` });
    const [device, kind, role, why] = [el("span", { class: "device" }), el("span"), el("span", { class: "tag" }), el("div", { class: "why", id: `${id}-why` })];
    const link = el("span");
    const node = el(
      "div",
      { class: "connection", role: "none", "data-device": first.device },
      radio,
      el("label", { for: id }, el("span", { class: "choice-head" }, device, role), el("span", { class: "choice-facts" }, kind, link)),
      why,
    );
    let current = first;
    let shown = null;
    const update = (connection) => {
      current = connection;
      const name = portOf(connection);
      const isPort = Boolean(connection.port) || draft.newPorts.some((port) => port.name === name);
      const free = isFree(connection) || connection.role === "upstream";
      radio.disabled = !free;
      radio.checked = isPort && fromToml(draft.value(null, "upstream")) === name;
      node.classList.toggle("taken", !free);
      node.classList.toggle("chosen", radio.checked);
      say(device, connection.port && connection.port !== connection.device ? `${connection.port} · ${connection.device}` : connection.device);
      const address = connection.addresses.join(", ");
      say(kind, [orWords(`kind.${connection.kind}`, connection.kind_text), connection.mac, address].filter(Boolean).join(" · "));
      say(role, connection.role ? t(`in-use.${connection.role}`) : free ? t("in-use.free") : t("in-use.no"));
      role.className = `tag ${connection.role ?? (free ? "free" : "no")}`;
      const now = JSON.stringify([connection.carrier, obstacles(connection)]);
      if (shown !== now) {
        shown = now;
        link.replaceChildren(carrier(connection));
        why.replaceChildren(...obstacles(connection).map(reason));
      }
    };
    update(first);
    return { node, update };
  };
}

function reason([why, cure]) {
  const help = cure && el("small", { lang: cure.lang, class: "original" }, cure.text);
  return el("p", null, icon("lock"), el("span", null, el("span", { lang: why.lang }, why.text), help));
}

/** Makes it the provider's; what is no port yet becomes one. */
function choose(connection) {
  const name = portOf(connection);
  const before = fromToml(draft.value(null, "upstream"));
  const given = draft.newPorts.find((port) => port.name === before);
  if (given && given.name !== name) {
    // It was to come only for this.
    draft.undoPort(before);
  }
  if (!connection.port && !draft.newPorts.some((port) => port.name === name)) {
    draft.change(name, "device", toToml(connection.device));
  }
  draft.change(null, "upstream", toToml(name));
}

/** The list. */
export function providerPanel() {
  const list = el("div", { class: "choices", role: "radiogroup", "aria-label": t("provider") });
  const rows = new Rows(list, (connection) => connection.device, choice(newId("upstream")));
  const error = el("p", { class: "error", role: "alert" });
  const fieldset = el("fieldset", null, list);
  const node = el(
    "section",
    { class: "panel", "data-key": "upstream", "data-port": "" },
    el("div", { class: "panel-head" }, el("h2", null, t("provider"))),
    el("p", { class: "muted lead" }, t("provider.what")),
    fieldset,
    error,
  );
  const update = (locked) => {
    fieldset.disabled = locked;
    rows.show([...draft.connections].sort((a, b) => rank(a) - rank(b)));
    const problem = draft.problem(null, "upstream");
    tell(error, problem ? told.wrong(problem) : []);
    put(list, "aria-invalid", problem ? "true" : null);
  };
  return { node, update };
}
