// What goes on, as the event stream tells it. One for the page; views look at it and are told when it moves.

/** Points of a group's or port's history: half a second each. */
export const POINTS = 60;
/** Events kept. */
const EVENTS = 500;
/** Without a message for so long, the backend's light is out: it sends twice a second, but while it waits for the proxy. */
const SILENCE_MS = 10_000;
/** Before a stream that was refused is asked for anew. */
const PAUSE_MS = 3000;

/** The latest values of something, oldest first. */
class History {
  values = [];

  push(value) {
    this.values.push(value ?? 0);
    if (this.values.length > POINTS) {
      this.values.shift();
    }
  }
}

class Live extends EventTarget {
  /** Whether the backend's messages come. */
  connected = false;
  /** The last `status`. */
  status = null;
  /** Ports as last told, in the order of the settings. */
  ports = [];
  /** By group: `{view, figures, at, history}`; `at` is when its times were so, by `performance.now()`. */
  groups = new Map();
  /** Whether groups have been told at all. */
  begun = false;
  /** The latest events, oldest first. */
  events = [];

  #source = null;
  #heard = 0;
  #watch = null;
  #again = null;

  /** Begins to listen. `refused` is called when there is no stream to be had. */
  start(refused) {
    this.stop();
    this.#source = new EventSource("api/v1/stream");
    const on = (name, take) =>
      this.#source.addEventListener(name, (message) => {
        this.#heard = performance.now();
        this.#connect(true);
        take.call(this, JSON.parse(message.data));
        this.#tell(name);
      });
    on("status", (status) => {
      this.status = status;
    });
    on("ports", this.#takePorts);
    on("groups", this.#takeGroups);
    on("events", this.#takeEvents);
    this.#source.onerror = () => {
      this.#connect(false);
      if (this.#source?.readyState === EventSource.CLOSED) {
        // Browsers come again by themselves after a break, not after a refusal.
        clearTimeout(this.#again);
        this.#again = setTimeout(() => refused(), PAUSE_MS);
      }
    };
    this.#heard = performance.now();
    this.#watch = setInterval(() => {
      if (performance.now() - this.#heard > SILENCE_MS) {
        this.#connect(false);
      }
      this.#tell("tick");
    }, 1000);
  }

  /** Listens no more, and forgets. */
  stop() {
    this.#source?.close();
    this.#source = null;
    clearInterval(this.#watch);
    clearTimeout(this.#again);
    Object.assign(this, { connected: false, status: null, ports: [], begun: false, events: [] });
    this.groups.clear();
  }

  /** Calls `then` at each of these: `status`, `ports`, `groups`, `events`, `connection`, `tick`. Gives what ends that. */
  on(names, then) {
    for (const name of names) {
      this.addEventListener(name, then);
    }
    return () => names.forEach((name) => this.removeEventListener(name, then));
  }

  /** Whether what is shown is of now: backend and proxy answer. */
  get fresh() {
    return this.connected && this.status?.proxy.up === true;
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }

  #connect(connected) {
    if (this.connected !== connected) {
      this.connected = connected;
      this.#tell("connection");
    }
  }

  #takePorts({ ports }) {
    const before = new Map(this.ports.map((port) => [port.name, port]));
    const at = performance.now();
    this.ports = ports.map((port) => {
      const { rx = new History(), tx = new History() } = before.get(port.name)?.history ?? {};
      rx.push(port.rx_bytes_per_s);
      tx.push(port.tx_bytes_per_s);
      return { ...port, at, history: { rx, tx } };
    });
    // Told at every turn, which `groups` is not.
    for (const group of this.groups.values()) {
      group.history.push(group.figures.bytes_per_s);
    }
  }

  #takeGroups({ full, groups, removed, figures }) {
    const at = performance.now();
    const before = this.groups;
    if (full) {
      this.groups = new Map();
    }
    for (const view of groups) {
      const known = before.get(view.group);
      this.groups.set(view.group, {
        view,
        at,
        figures: known?.figures ?? { frames: view.frames, bytes: view.bytes, frames_per_s: null, bytes_per_s: null },
        history: known?.history ?? new History(),
      });
    }
    for (const group of removed) {
      this.groups.delete(group);
    }
    for (const figure of figures) {
      const group = this.groups.get(figure.group);
      if (group) {
        group.figures = figure;
      }
    }
    this.begun = true;
  }

  #takeEvents({ events }) {
    const last = this.events.at(-1)?.id ?? 0;
    this.events = [...this.events, ...events.filter((event) => event.id > last)].slice(-EVENTS);
  }
}

/** The page's one. */
export const live = new Live();
