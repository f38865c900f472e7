// What the proxy tells: in the page's language where that has the words, else as it stands, in English.

import { has, number, orWords, sentence, t } from "./i18n.js";

/** Words, and whether they are the proxy's own: `{text, lang}`. */
const own = (text) => ({ text, lang: "en" });
const translated = (text) => ({ text, lang: null });

/** The proxy's sentences. */
export function said(text) {
  const words = sentence(text);
  return words === null ? own(text) : translated(words);
}

/** What is wrong, and the cure: as many of them as there are words for. */
export const wrong = ({ message, detail, title, cure }) => [message || detail || title, cure].filter(Boolean).map(said);

/** The first of these keys that there is a text for, or `undefined`. */
const first = (...keys) => keys.find(has);

/** Why a connection is no port, and the cure: a pair of words. */
export function obstacle({ device, kind, kind_text }, { what, about, reason, cure }) {
  const key = first(`obstacle.${what}.${kind}`, `obstacle.${what}`);
  if (key === undefined) {
    return [own(`${device} ${reason}`), own(cure)];
  }
  const values = { kind: orWords(`kind.${kind}`, kind_text), about: about.join(", ") };
  // Some cures name the interface below.
  const nameless = about.length === 0 && ["vlan", "macvtap", "ipvlan"].includes(kind);
  const help = first(...(nameless ? [] : [`obstacle-cure.${what}.${kind}`]), `obstacle-cure.${what}`);
  // Where there is none, the cure is a command.
  return [translated(t(key, values)), help ? translated(t(help, values)) : own(cure)];
}

/** What needs no more than its kind, group and port. */
const PLAIN = new Set(["joined", "left", "upstream-joined", "upstream-left"]);

/** An event, and what the proxy says beside that, or `null`. */
export function event({ kind, port, group, text }) {
  const key = `event.${kind}`;
  if (!has(key)) {
    return [own(text), null];
  }
  return [translated(t(key, { port: port ?? "", group: group ?? "" })), PLAIN.has(kind) ? null : said(text)];
}

/** `3 ttl, 1 mtu` in words. */
const counted = (text) => text.replace(/(\d+) ([a-z0-9-]+)/g, (_, n, name) => `${n} – ${orWords(`drop.${name}`, orWords(`loss.${name}`, name))}`);

/** What belongs to a finding, as it is read. */
function valuesOf({ port, values }) {
  const read = ([name, value]) => {
    if (name.endsWith("_s")) {
      return [name, `${number(Number(value))}\u00a0${t("unit.s")}`];
    }
    if (name === "lost" || name === "lost_before") {
      return [name, counted(value)];
    }
    return [name, name === "reason" ? orWords(`drop.${value}`, value) : name === "why" ? said(value).text : value];
  };
  return { ...Object.fromEntries(Object.entries(values).map(read)), port: port ?? "" };
}

/** What a check found. */
export function finding(check) {
  const key = `finding.${check.finding}`;
  if (!has(key)) {
    return own(check.text);
  }
  const values = valuesOf(check);
  const also = Object.keys(check.values).map((name) => first(`also.${check.finding}.${name}`, `also.${name}`));
  return translated([key, ...also.filter(Boolean)].map((key) => t(key, values)).join("; "));
}

/** What would cure what a check found; `null` if there is nothing to cure. */
export function cureOf(check) {
  if (check.cure === null) {
    return null;
  }
  const key = first(`cure.${check.finding}.${check.values.reason}`, `cure.${check.finding}`);
  return key ? translated(t(key, valuesOf(check))) : own(check.cure);
}

/** Where a group goes, or what keeps it from that: a verdict's words, and the cure or `null`. */
export function verdict(reply) {
  if (!has("verdict.forwarded")) {
    return [own(reply.verdict), reply.cure === null ? null : own(reply.cure)];
  }
  const fault = reply.fault === null ? null : reply.checks[reply.fault];
  const why = fault && finding(fault).text;
  if (reply.lit.length === 0) {
    if (!fault) {
      return [translated(t("verdict.no-client-port")), translated(t("cure.no-client-port"))];
    }
    return [translated(fault.port ? t("verdict.dark-on", { port: fault.port, why }) : why), cureOf(fault)];
  }
  const ports = reply.lit.join(", ");
  const goes = t(reply.dark === false ? "verdict.forwarded" : "verdict.unhindered", { ports });
  const losing = reply.dark === false && !fault && reply.checks.find((check) => check.finding === "losing");
  const loss = losing ? [t("verdict.but-losing", { port: losing.port })] : [];
  const but = fault ? [fault.port ? t("verdict.but-on", { port: fault.port, why }) : why] : loss;
  return [translated([goes, ...but].join("; ")), fault && cureOf(fault)];
}
