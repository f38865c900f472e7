// Changes of the settings that were made on the page and not applied yet, and the settings that they were made for.

import { get, post } from "./api.js";
import { live } from "./live.js";

/** From a change to its check by the proxy. */
const CHECK_MS = 350;

const idOf = (port, key) => `${port ?? ""}\n${key}`;

/** Every key of every port and of the proxy, by `idOf`. */
function byId(settings) {
  const keys = new Map(settings.proxy.map((view) => [idOf(null, view.key), { port: null, view }]));
  for (const port of settings.ports) {
    for (const view of port.keys) {
      keys.set(idOf(port.name, view.key), { port: port.name, view });
    }
  }
  return keys;
}

/** What differs between two settings: `[{port, key, from, to}]`. */
function differences(before, after) {
  const [old, now] = [byId(before), byId(after)];
  const found = [];
  for (const id of new Set([...old.keys(), ...now.keys()])) {
    const { port, view } = now.get(id) ?? old.get(id);
    const [from, to] = [old.get(id)?.view.value ?? null, now.get(id)?.view.value ?? null];
    if (from !== to) {
      found.push({ port, key: view.key, from, to });
    }
  }
  return found;
}

/** Tells `loaded`, `edited` and `checked`. */
class Draft extends EventTarget {
  /** The settings as they were when they were last looked at, and the connections. */
  settings = null;
  connections = [];
  /** Why they could not be had. */
  failure = null;
  /** By `idOf`: `{port, key, value}`; a value of `null` takes the key out of what was changed by the page. */
  edits = new Map();
  /** What the proxy says to the changes: a preview, or `null` while it has said nothing to the latest. */
  preview = null;
  /** What others changed under a draft: `[{port, key, from, to, mine}]`; `null` if nothing. */
  others = null;

  #keys = new Map();
  #timer = null;
  /** Counts checks: what comes late of an earlier one is let go. */
  #turn = 0;
  /** Counts those who were here. */
  #era = 0;
  /** The looks at the settings that were asked for, one after the other. */
  #looks = Promise.resolve();

  /** Forgets all: somebody else is there. */
  forget() {
    clearTimeout(this.#timer);
    this.#turn += 1;
    this.#era += 1;
    Object.assign(this, { settings: null, connections: [], failure: null, preview: null, others: null });
    this.edits.clear();
    this.#keys.clear();
  }

  /** Looks at the settings anew. What others changed meanwhile is in `others`, if there is a draft; nothing of it is lost. */
  load() {
    // What was asked for earlier never takes the place of what was asked for later.
    this.#looks = this.#looks.then(() => this.#look());
    return this.#looks;
  }

  async #look() {
    const era = this.#era;
    try {
      const [settings, { connections }] = await Promise.all([get("settings"), get("connections")]);
      if (era !== this.#era) {
        return;
      }
      const before = this.settings;
      const changed = before && before.revision !== settings.revision ? differences(before, settings) : [];
      Object.assign(this, { settings, connections, failure: null });
      this.#keys = byId(settings);
      if (changed.length > 0 && this.edits.size > 0) {
        const told = changed.map((change) => ({ ...change, mine: this.edits.has(idOf(change.port, change.key)) }));
        this.others = [...(this.others ?? []), ...told];
      }
      // What came to be as it was wished is no change any more.
      for (const { port, key, value } of [...this.edits.values()]) {
        this.#note(port, key, value);
      }
      this.#check();
    } catch (failure) {
      if (era === this.#era) {
        this.failure = failure;
      }
    }
    this.#tell("loaded");
  }

  /** Whether others have changed the settings since they were looked at. */
  get outdated() {
    const revision = live.status?.proxy.up ? live.status.proxy.status?.revision : undefined;
    return this.settings !== null && revision !== undefined && revision !== this.settings.revision;
  }

  /** What was changed, or `undefined`. */
  edit(port, key) {
    return this.edits.get(idOf(port, key));
  }

  /** The value as TOML that would be after the change, as far as the page can know. */
  value(port, key) {
    const [edit, view] = [this.edit(port, key), this.#keys.get(idOf(port, key))?.view];
    return edit ? (edit.value ?? view?.default ?? null) : (view?.value ?? null);
  }

  /** The problem that the proxy has with a key's change, or `undefined`. */
  problem(port, key) {
    return this.preview?.problems.find((problem) => problem.port === port && problem.key === key);
  }

  /** Problems that stand at no key of `keys`, which are those that are shown, by `idOf`. */
  problemsBeside(shown) {
    return (this.preview?.problems ?? []).filter((problem) => !shown.has(idOf(problem.port, problem.key)));
  }

  /** Changes a key; to `null` takes it out of what was changed by the page. */
  change(port, key, value) {
    this.#note(port, key, value);
    this.#edited();
  }

  /** Takes a change back. */
  undo(port, key) {
    this.edits.delete(idOf(port, key));
    this.#edited();
  }

  /** Takes back everything about a port that is new. */
  undoPort(port) {
    for (const [id, edit] of this.edits) {
      if (edit.port === port) {
        this.edits.delete(id);
      }
    }
    this.#edited();
  }

  /** Takes all back. */
  undoAll() {
    this.edits.clear();
    this.others = null;
    this.#edited();
  }

  /** What others did has been seen. */
  seen() {
    this.others = null;
    this.#tell("edited");
  }

  /** Ports that would come: `[{name, device}]`, the devices as TOML. */
  get newPorts() {
    const there = new Set(this.settings?.ports.map((port) => port.name));
    return [...this.edits.values()]
      .filter(({ port, key, value }) => key === "device" && value !== null && !there.has(port))
      .map(({ port, value }) => ({ name: port, device: value }));
  }

  /**
   * Applies what was previewed at `revision`: with other settings in force nothing is applied, and the problem is thrown.
   * The revision is the preview's and not that of `settings`, which may have been looked at anew while somebody read it.
   */
  async apply(revision) {
    try {
      const reply = await post("changes", { edits: [...this.edits.values()], revision });
      this.edits.clear();
      Object.assign(this, { preview: null, others: null });
      await this.load();
      return reply;
    } catch (problem) {
      if (problem.word === "conflict") {
        await this.load();
      }
      throw problem;
    }
  }

  /** What applying would do, to be shown before it is done; `null` where others changed something, which comes first. */
  async review() {
    let preview = await this.check();
    if (preview && preview.revision !== this.settings.revision) {
      await this.load();
      preview = this.others === null ? await this.check() : null;
    }
    // Another look at the settings may have told of them meanwhile.
    return this.others === null ? preview : null;
  }

  /** Asks the proxy what the changes would do. */
  async check() {
    clearTimeout(this.#timer);
    this.#turn += 1;
    const turn = this.#turn;
    if (this.edits.size === 0) {
      this.preview = null;
      this.#tell("checked");
      return null;
    }
    const preview = await post("preview", { edits: [...this.edits.values()] });
    if (turn === this.#turn) {
      this.preview = preview;
      this.#tell("checked");
    }
    return preview;
  }

  #note(port, key, value) {
    const view = this.#keys.get(idOf(port, key))?.view;
    const same = view && (value === view.value || (value === null && view.origin !== "live"));
    if (same || (!view && value === null)) {
      this.edits.delete(idOf(port, key));
    } else {
      this.edits.set(idOf(port, key), { port, key, value });
    }
  }

  #edited() {
    this.#tell("edited");
    this.#check();
  }

  /** Soon: typing goes on. */
  #check() {
    clearTimeout(this.#timer);
    // Without the proxy there is nobody to ask; it is asked again when settings are applied.
    this.#timer = setTimeout(() => this.check().catch(() => {}), CHECK_MS);
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }

  /** Calls `then` at each of these; gives what ends that. */
  on(names, then) {
    names.forEach((name) => this.addEventListener(name, then));
    return () => names.forEach((name) => this.removeEventListener(name, then));
  }
}

/** The page's one. */
export const draft = new Draft();
