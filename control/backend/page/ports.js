// The ports.

import { get } from "./api.js";
import { Rows, el, icon, mark, put, say, spoken } from "./dom.js";
import { bitRate, count, countdown, frameRate, has, orWords, t } from "./i18n.js";
import { drawer } from "./drawer.js";
import { live } from "./live.js";
import { spark } from "./spark.js";
import { said, wrong } from "./told.js";

/** `[tone, text, why]` of a port's link. */
function link({ link, outage }) {
  if (link === "up") {
    return ["good", t("link.up"), ""];
  }
  if (outage === "gone") {
    return ["bad", t("link.gone"), t("link.gone-why")];
  }
  if (outage?.refused) {
    return ["bad", t("link.refused"), outage.refused];
  }
  return ["bad", t("link.down"), ""];
}

/** Who asks there. */
function querier(port) {
  const passed = (performance.now() - port.at) / 1000;
  if (port.role === "upstream") {
    const query = port.last_query;
    return query
      ? t("query.heard", { source: query.source, version: query.version, time: countdown(query.age_s + passed) })
      : t("query.none");
  }
  if (!port.querier) {
    return "–";
  }
  const { role, address, next_query_s } = port.querier;
  if (role === "querier") {
    return next_query_s === null ? t("querier.we") : t("querier.we-next", { time: countdown(next_query_s - passed) });
  }
  return role === "non-querier" ? t("querier.other", { address: address ?? "0.0.0.0" }) : t("querier.silent");
}

function row() {
  const [name, device, place] = [el("button", { type: "button", class: "link" }), el("small"), el("span")];
  const asks = el("td");
  const [groups, drops, losses] = [0, 1, 2].map(() => el("td", { class: "number" }));
  const [inward, outward] = [rate(), rate()];
  const role = el("td");
  const node = el(
    "tr",
    null,
    el("th", { scope: "row" }, name, device),
    role,
    el("td", null, place),
    asks,
    groups,
    inward.node,
    outward.node,
    drops,
    losses,
  );
  let port = null;
  name.addEventListener("click", () => showPort(port));
  let shown = "";
  const update = (now) => {
    port = now;
    say(name, port.name);
    say(device, [port.device === port.name ? null : port.device, port.address].filter(Boolean).join(" · "));
    say(role, t(`port-role.${port.role}`));
    const [tone, text, why] = link(port);
    if (shown !== tone + text) {
      shown = tone + text;
      place.replaceChildren(mark(tone, text));
    }
    put(place, "title", why || null);
    say(asks, querier(port));
    say(groups, count(port.groups));
    put(groups, "title", port.max_groups ? t("ports.most", { n: port.max_groups }) : null);
    inward.update(port.rx_bytes_per_s, port.rx_frames_per_s, port.history.rx.values);
    outward.update(port.tx_bytes_per_s, port.tx_frames_per_s, port.history.tx.values);
    say(drops, count(port.drops));
    say(losses, count(port.losses));
  };
  return { node, update };
}

function rate() {
  const [line, bits] = [spark(), el("span", { class: "figure" })];
  const node = el("td", { class: "rate" }, el("span", { class: "with-spark" }, line.node, bits));
  const update = (bytes, frames, history) => {
    say(bits, bitRate(bytes));
    put(node, "title", frameRate(frames));
    line.update(history);
  };
  return { node, update };
}

/** The table. */
export function portsPanel() {
  const body = el("tbody");
  const rows = new Rows(body, (port) => port.name, row);
  const head = ["port", "role", "link", "querier", "groups", "in", "out", "drops", "losses"];
  const numeric = new Set(["groups", "drops", "losses"]);
  const table = el(
    "table",
    { class: "ports" },
    el("caption", { class: "unseen" }, t("ports")),
    el(
      "thead",
      null,
      el("tr", null, head.map((key) => el("th", { scope: "col", class: numeric.has(key) ? "number" : null }, t(`ports.${key}`)))),
    ),
    body,
  );
  const update = () => rows.show(live.ports);
  update();
  const scroll = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("ports") }, table);
  const node = el("section", { class: "panel" }, el("div", { class: "panel-head" }, el("h2", null, t("ports"))), scroll);
  return { node, end: live.on(["ports", "tick"], update) };
}

/** Counters that are not zero, the largest first. */
function counters(title, values, words) {
  const told = Object.entries(values ?? {}).filter(([, value]) => value > 0);
  told.sort(([, a], [, b]) => b - a);
  return el(
    "section",
    null,
    el("h3", null, title),
    told.length === 0
      ? el("p", { class: "muted" }, t("counters.none"))
      : el(
          "table",
          { class: "counters" },
          el("tbody", null, told.map(([key, value]) =>
            el("tr", null,
              el("th", { scope: "row" }, has(`${words}.${key}`) ? [t(`${words}.${key}`), el("code", null, key)] : key),
              el("td", { class: "number" }, count(value)),
            ),
          )),
        ),
  );
}

/** What a port dropped and why, and what IGMP it has seen. */
async function showPort(port) {
  const content = el("div", null, el("p", { class: "muted" }, t("loading")));
  drawer(t("port.title", { port: port.name }), content);
  try {
    const all = await get("counters");
    const own = all.ports.find((counters) => counters.port === port.name) ?? {};
    const [tone, text, why] = link(port);
    content.replaceChildren(
      el("p", null, mark(tone, text), why ? [" – ", spoken([said(why)])] : null),
      facts(port),
      counters(t("counters.drops"), own.drops, "drop"),
      counters(t("counters.losses"), own.losses, "loss"),
      counters(t("counters.verdicts"), own.verdicts, "verdict"),
      counters(t("counters.igmp-received"), own.igmp_received, "igmp"),
      counters(t("counters.igmp-sent"), own.igmp_sent, "igmp"),
      counters(t("counters.frames"), own.frames, "frames"),
    );
  } catch (problem) {
    content.replaceChildren(el("p", { class: "error" }, icon("bad"), " ", problem.detail ? spoken(wrong(problem)) : t("unreachable")));
  }
}

function facts(port) {
  const pairs = [
    ["device", port.device],
    ["driver", port.driver],
    ["mac", port.mac],
    ["address", port.address ?? "–"],
    ...Object.entries(port.policies),
  ];
  return el("dl", { class: "facts" }, pairs.map(([key, value]) => [el("dt", null, orWords(`key.${key}`, key)), el("dd", null, value)]));
}
