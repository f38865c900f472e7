// What the proxy that is a script says: as many groups as are wished, and connections of kinds that this kernel has not.

import fs from "node:fs";

const PORTS = ["hall-a", "hall-b", "hall-c", "hall-d", "hall-e", "hall-f"];

/** As the proxy tells them of recorded link messages: a test of `dataplane` holds the file to that. */
export const CONNECTIONS = JSON.parse(fs.readFileSync(new URL("connections.json", import.meta.url), "utf8")).connections.connections;

function group(at, tick) {
  const members = PORTS.slice(0, 1 + (at % PORTS.length)).map((port, place) => ({
    port,
    version: 2,
    last_reporter: `10.${place + 1}.0.${2 + (at % 200)}`,
    age_s: 100 + tick,
    expires_s: 200,
    state: "members-present",
    held_back: at % 50 === 7 && place === 0 ? "no-carrier" : null,
  }));
  const frames = at % 40 === 3 ? 0 : tick * (100 + at);
  return {
    group: `239.5.${Math.floor(at / 200)}.${1 + (at % 200)}`,
    members,
    upstream: { joined: true, last_report_s: 5 },
    frames,
    bytes: frames * 1358,
    filtered: 0,
  };
}

function port(name, role, tick) {
  const rate = role === "upstream" ? { rx_frames: tick * 50_000, rx_bytes: tick * 68_000_000 } : { rx_frames: 0, rx_bytes: 0 };
  return {
    name,
    device: role === "upstream" ? "eth0" : `0000:3b:00.${name.at(-1)}`,
    driver: "mlx5_pci",
    role,
    link: "up",
    outage: null,
    mac: "02:00:00:00:00:01",
    address: "10.1.0.1/24",
    querier: role === "client" ? { role: "querier", address: "10.1.0.1", next_query_s: 60, takeover_s: null } : null,
    last_query: null,
    policies: {},
    groups: 100,
    max_groups: 1000,
    ...rate,
    tx_frames: tick * 20_000,
    tx_bytes: tick * 27_000_000,
    drops: 0,
    losses: 0,
  };
}

const key = (name, value, kind, live = true) => ({
  key: name,
  value,
  default: null,
  default_words: null,
  origin: "file",
  place: "manifold.toml:3",
  live,
  kind,
});

/** A channel that goes to one port and is dark on another. */
function explained(group) {
  const check = (topic, port, ok, finding, values, text, cure = null) => ({ topic, port, ok, finding, values, text, cure });
  const cure = "put a rule that allows it before that one in `access` of hall-b";
  return {
    group,
    port: null,
    dark: false,
    verdict: "forwarded to hall-a; dark, on hall-b: the access list denies it: `deny 239.5.0.0/16`",
    cure,
    lit: ["hall-a"],
    fault: 1,
    watching: false,
    checks: [
      check("proxy", "wan", true, "switched-on", {}, "switched on, and the provider's port has carrier"),
      check("allowed", "hall-b", false, "access-denied", { rule: "deny 239.5.0.0/16" }, "the access list denies it: `deny 239.5.0.0/16`", cure),
      check("dropped", "wan", null, "dropped", { frames: "2", of: "9", reason: "ttl" }, "2 of 9 frames are dropped: TTL 1 (ttl)"),
    ],
  };
}

/** A script with `groups` groups, whose frames move at every question. */
export function script(groups) {
  let tick = 0;
  return (word, argument) => {
    switch (word) {
      case "show-status":
        tick += 1;
        return {
          status: {
            version: "0.1.0", instance: "main", pid: 7, uptime_s: tick, enabled: true, upstream: "wan", ports: 7, groups,
            max_groups: 65536, no_room: 0, workers: 1, hugepages: true, mbufs: { size: 8191, in_use: 700 }, record: null,
            warnings: [], revision: 5,
          },
        };
      case "show-ports":
        return { ports: { ports: [port("wan", "upstream", tick), ...PORTS.map((name) => port(name, "client", tick))] } };
      case "show-groups":
        return { groups: { groups: Array.from({ length: groups }, (_, at) => group(at, tick)) } };
      case "show-events":
        return { events: { events: [], next: 0, lost: 0 } };
      case "show-counters":
        return {
          counters: {
            ports: ["wan", ...PORTS].map((name) => ({
              port: name,
              igmp_received: { "report-v2": 7 },
              igmp_sent: { "general-query": 3 },
              verdicts: { joined: 2, refreshed: 5 },
              drops: { ttl: 4, "no-member": 9 },
              losses: { "rx-missed": 3, "tx-errors": 0 },
              frames: { udp: 20 },
            })),
          },
        };
      case "explain":
        return { explain: explained(argument.group) };
      case "preview":
        return {
          preview: {
            revision: 5,
            changes: argument.edits.map(({ port, key, value }) => ({ port, key, from: '"now"', to: value })),
            needs_restart: [],
            problems: [],
            warnings: [],
          },
        };
      case "show-connections":
        return { connections: { connections: CONNECTIONS } };
      case "show-settings":
        return {
          settings: {
            revision: 5,
            changeable: true,
            defaults: [],
            proxy: [key("enabled", "true", { type: "bool" }), key("upstream", '"wan"', { type: "port" })],
            ports: [{ name: "wan", device: "eth0", added: false, keys: [key("device", '"eth0"', { type: "device" }, false)] }],
          },
        };
      default:
        return { error: { kind: "failed", message: `${word} is not played`, cure: "none" } };
    }
  };
}
