// What this browser remembers: choices of looks, nothing else. Without storage they last as long as the page.

const memory = new Map();

/** What was kept under `name`; `null` if nothing. */
export function recall(name) {
  try {
    return localStorage.getItem(`manifold-${name}`);
  } catch {
    return memory.get(name) ?? null;
  }
}

/** Keeps `value` under `name`. */
export function keep(name, value) {
  memory.set(name, value);
  try {
    localStorage.setItem(`manifold-${name}`, value);
  } catch {
    // A browser that keeps nothing.
  }
}
