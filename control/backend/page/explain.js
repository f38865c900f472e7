// Why is this channel dark? One group, looked at closely.

import { get } from "./api.js";
import { el, icon, mark, say, spoken } from "./dom.js";
import { drawer } from "./drawer.js";
import { bitRate, count, countdown, frameRate, orWords, size, t } from "./i18n.js";
import { live } from "./live.js";
import { spark } from "./spark.js";
import { expiry } from "./standing.js";
import * as told from "./told.js";

function verdict(reply) {
  const [tone, title] =
    reply.dark === true ? ["bad", t("explain.dark")] : reply.dark === false ? ["good", t("explain.light")] : ["idle", t("explain.unknown")];
  const [words, help] = told.verdict(reply);
  return el(
    "div",
    { class: `verdict ${tone}` },
    icon(tone === "idle" ? "info" : tone),
    el("div", null, el("strong", null, title), el("p", { lang: words.lang }, words.text), cure(help)),
  );
}

const cure = (words) => words && el("p", { class: "cure" }, `${t("cure")} `, el("span", { lang: words.lang }, words.text));

function check(found) {
  const { topic, port, ok } = found;
  const words = told.finding(found);
  const tone = ok === true ? "good" : ok === false ? "bad" : "idle";
  const said = ok === true ? t("check.good") : ok === false ? t("check.bad") : t("check.neither");
  return el(
    "li",
    { class: tone },
    icon(tone === "idle" ? "info" : tone),
    el(
      "div",
      null,
      el("span", { class: "unseen" }, `${said}: `),
      el("strong", null, orWords(`topic.${topic}`, topic), port ? el("span", { class: "tag" }, port) : null),
      el("p", { lang: words.lang }, words.text),
      cure(told.cureOf(found)),
    ),
  );
}

/** What is known of the group by the stream, as it moves. */
function figures(group) {
  const [line, rate, total, asked] = [spark(), el("span"), el("dd"), el("dd")];
  const members = el("tbody");
  const node = el(
    "div",
    null,
    el(
      "dl",
      { class: "facts" },
      el("dt", null, t("groups.rate")),
      el("dd", { class: "with-spark" }, line.node, rate),
      el("dt", null, t("explain.total")),
      total,
      el("dt", null, t("explain.provider")),
      asked,
    ),
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        { class: "members" },
        el("caption", null, t("explain.members")),
        el("thead", null, el("tr", null, ["ports", "reporter", "version", "since", "expires"].map((key) => el("th", { scope: "col" }, t(`groups.${key}`))))),
        members,
      ),
    ),
  );
  const update = () => {
    const now = live.groups.get(group);
    node.hidden = !now;
    if (!now) {
      return;
    }
    const passed = (performance.now() - now.at) / 1000;
    line.update(now.history.values);
    say(rate, `${bitRate(now.figures.bytes_per_s)} · ${frameRate(now.figures.frames_per_s)}`);
    const filtered = now.view.filtered > 0 ? ` · ${t("group.filtered", { n: now.view.filtered })}` : "";
    say(total, `${t("unit.frames", { n: now.figures.frames })} · ${size(now.figures.bytes)}${filtered}`);
    const { joined, last_report_s } = now.view.upstream;
    const when = last_report_s === null ? "" : t("explain.reported", { time: countdown(last_report_s + passed) });
    say(asked, `${t(joined ? "explain.joined" : "explain.not-joined")} ${when}`.trim());
    members.replaceChildren(
      ...now.view.members.map((member) =>
        el(
          "tr",
          null,
          el("th", { scope: "row" }, member.port, member.held_back ? el("small", { class: "bad-text" }, t(`held.${member.held_back}`, { port: member.port })) : null),
          el("td", null, member.last_reporter ?? "–"),
          el("td", null, `v${member.version}`),
          el("td", null, countdown(member.age_s + passed)),
          el("td", null, expiry(member, passed)),
        ),
      ),
    );
  };
  update();
  return { node, end: live.on(["groups", "tick"], update) };
}

/** Opens the panel on a group. */
export function showGroup(group) {
  const answer = el("div", { class: "answer", "aria-live": "polite", "aria-busy": "true" });
  const checks = el("ol", { class: "checks" });
  const facts = figures(group);
  const clients = live.ports.filter((port) => port.role === "client");
  const port = el(
    "select",
    { "aria-label": t("explain.port"), onchange: look },
    el("option", { value: "" }, t("explain.every-port")),
    clients.map(({ name }) => el("option", { value: name }, name)),
  );
  const again = el("button", { type: "button", onclick: look }, t("explain.again"));
  const panel = drawer(
    group,
    [el("div", { class: "panel-head" }, el("h3", null, t("explain")), port, again), answer, facts.node, checks],
    () => facts.end(),
  );
  let turn = 0;

  async function look() {
    turn += 1;
    const mine = turn;
    answer.setAttribute("aria-busy", "true");
    answer.replaceChildren(el("p", { class: "muted" }, mark("idle", t("explain.looking"), "pulse")));
    again.disabled = true;
    checks.replaceChildren();
    let [shown, looked] = [[], []];
    try {
      const about = port.value ? `?port=${encodeURIComponent(port.value)}` : "";
      const reply = await get(`explain/${encodeURIComponent(group)}${about}`);
      [shown, looked] = [[verdict(reply)], reply.checks.map(check)];
    } catch (problem) {
      const texts = problem.detail ? told.wrong(problem) : [{ text: t("unreachable"), lang: null }];
      shown = [el("p", { class: "error" }, icon("bad"), " ", spoken(texts))];
    }
    if (mine === turn && panel.isConnected) {
      answer.replaceChildren(...shown);
      checks.replaceChildren(...looked);
      answer.setAttribute("aria-busy", "false");
      again.disabled = false;
    }
  }
  look();
}
