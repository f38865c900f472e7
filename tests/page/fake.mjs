// What the proxy that is a script says: as many groups as are wished, and connections of kinds that this kernel has not.

const PORTS = ["hall-a", "hall-b", "hall-c", "hall-d", "hall-e", "hall-f"];

const connection = (device, kind, kind_text, more = {}) => ({
  device,
  source: "kernel",
  kind,
  kind_text,
  mac: "02:00:00:00:00:09",
  carrier: true,
  addresses: [],
  default_route: false,
  port: null,
  role: null,
  usable: false,
  obstacles: [],
  ...more,
});

/** As `control/links` tells them, word for word, of the attributes that a kernel with these kinds gives (its tests have them). */
export const CONNECTIONS = [
  connection("eth0", "ethernet", "Ethernet", { port: "wan", role: "upstream", usable: true }),
  connection("0000:3b:00.1", "pci", "mlx5_pci", { source: "pci", usable: true, carrier: null }),
  connection("eth1.5", "vlan", "VLAN", {
    obstacles: [{
        what: "kind",
        reason: "is a VLAN interface: Manifold takes whole Ethernet interfaces, and drops tagged frames",
        cure: "use `eth1`, with this VLAN untagged on the switch port it is plugged into",
      }],
  }),
  connection("ppp0", "ppp", "PPP (PPPoE, PPTP or L2TP)", {
    mac: null,
    obstacles: [{
        what: "kind",
        reason:
          "is a PPP (PPPoE, PPTP or L2TP) interface: the provider's multicast must come over Ethernet, not through a session",
        cure: "use an Ethernet, veth, TAP or macvlan interface",
      }],
  }),
  connection("wg0", "wireguard", "WireGuard", {
    mac: null,
    obstacles: [{
        what: "kind",
        reason: "is a WireGuard interface: a VPN carries IP packets without Ethernet headers",
        cure: "use an Ethernet, veth, TAP or macvlan interface",
      }],
  }),
  connection("eth7", "ethernet", "Ethernet", {
    obstacles: [{
        what: "pppoe",
        reason: "carries a PPPoE session, which would be cut off",
        cure: "end the session (poff), or use another interface",
      }],
  }),
];

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

/** A script with `groups` groups, whose frames move at every question. */
export function script(groups) {
  let tick = 0;
  return (word) => {
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
