// How it stands with a group and with its members, in a word.

import { countdown, t } from "./i18n.js";
import { live } from "./live.js";

/** How it stands with a group: `[tone, icon, text, rank]`; the worst has the highest rank. */
export function standing({ view, figures }) {
  if (live.status?.proxy.status?.enabled === false) {
    return ["idle", "off", t("group.off"), 1];
  }
  const held = view.members.filter((member) => member.held_back);
  if (held.length > 0) {
    const [{ port, held_back }] = held;
    const more = held.length > 1 ? ` +${held.length - 1}` : "";
    return ["bad", "bad", `${t(`held.${held_back}`, { port })}${more}`, 5];
  }
  if (view.members.length === 0) {
    return ["idle", "idle", t("group.no-members"), 0];
  }
  if (figures.bytes_per_s === null) {
    return ["idle", "idle", t("group.unknown"), 1];
  }
  if (figures.bytes_per_s === 0) {
    return view.filtered > 0 ? ["bad", "bad", t("group.filtered-all"), 4] : ["warn", "warn", t("group.silent"), 3];
  }
  return ["good", "good", t("group.flows"), 2];
}

/** When a member goes if it is silent from now on. */
export function expiry(member, passed) {
  if (member.state === "static") {
    return t("member.static");
  }
  const time = member.expires_s === null ? "–" : countdown(member.expires_s - passed);
  return member.state === "checking-membership" ? `${time} ${t("member.checking")}` : time;
}
