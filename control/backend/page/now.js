// What goes on right now.

import { el, say, spoken } from "./dom.js";
import { eventsPanel } from "./events.js";
import { groupsPanel } from "./groups.js";
import { bitRate, count, frameRate, percent, span, t } from "./i18n.js";
import { live } from "./live.js";
import { portsPanel } from "./ports.js";
import { said } from "./told.js";

/** The figures of the whole: what each is called, and what it is at the moment, with a second line. */
const FIGURES = [
  [
    "figure.in",
    () => [bitRate(sum("rx_bytes_per_s", "upstream")), frameRate(sum("rx_frames_per_s", "upstream"))],
  ],
  ["figure.out", () => [bitRate(sum("tx_bytes_per_s", "client")), frameRate(sum("tx_frames_per_s", "client"))]],
  [
    "figure.groups",
    ({ groups, max_groups }) => [count(groups), t("figure.fill", { share: percent(groups / max_groups), most: max_groups })],
  ],
  ["figure.members", () => [count(members()), t("figure.on-ports", { n: clients() })]],
  [
    "figure.buffers",
    ({ mbufs }) => [percent(mbufs.in_use / mbufs.size), t("figure.of-buffers", { used: mbufs.in_use, size: mbufs.size })],
  ],
  ["figure.uptime", ({ uptime_s, version }) => [span(uptime_s), t("figure.version", { version })]],
];

/** Over all ports of a role; `null` while none is known. */
function sum(field, role) {
  const known = live.ports.filter((port) => port.role === role && port[field] !== null);
  return known.length === 0 ? null : known.reduce((total, port) => total + port[field], 0);
}

const clients = () => live.ports.filter((port) => port.role === "client").length;

function members() {
  let total = 0;
  for (const { view } of live.groups.values()) {
    total += view.members.length;
  }
  return total;
}

function summary() {
  const cells = FIGURES.map(([label, read]) => {
    const [value, more] = [el("dd", { class: "value" }), el("dd", { class: "more" })];
    return { node: el("div", null, el("dt", null, t(label)), value, more), value, more, read };
  });
  const node = el("dl", { class: "summary" }, cells.map((cell) => cell.node));
  const update = () => {
    const status = live.status?.proxy.status;
    for (const cell of cells) {
      const [value, more] = status ? cell.read(status) : ["–", ""];
      say(cell.value, value);
      say(cell.more, more);
    }
  };
  update();
  return { node, end: live.on(["status", "ports", "groups"], update) };
}

/** The proxy's own doubts. */
function warnings() {
  const list = el("ul", { class: "note warn", hidden: true });
  let shown = "";
  const update = () => {
    const lines = live.status?.proxy.status?.warnings ?? [];
    if (lines.join("\n") !== shown) {
      shown = lines.join("\n");
      list.replaceChildren(...lines.map((line) => el("li", null, spoken([said(line)]))));
    }
    list.hidden = lines.length === 0;
  };
  update();
  return { node: list, end: live.on(["status"], update) };
}

/** The view. */
export function nowView() {
  const parts = [warnings(), summary(), portsPanel(), groupsPanel(), eventsPanel()];
  const [doubts, whole, ports, groups, events] = parts.map((part) => part.node);
  const node = el(
    "div",
    { class: "now" },
    el("h1", null, t("now")),
    doubts,
    whole,
    el("div", { class: "columns" }, el("div", { class: "wide" }, ports, groups), events),
  );
  return { node, end: () => parts.forEach((part) => part.end()) };
}
