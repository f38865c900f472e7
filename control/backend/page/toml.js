// Values as the settings write them: true, 5, "text", ["a", "b"]. No more of TOML than that.

/** A value of the page's as TOML. */
export function toToml(value) {
  if (Array.isArray(value)) {
    return `[${value.map(toToml).join(", ")}]`;
  }
  // What JSON escapes, TOML reads alike.
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** What TOML says; `undefined` where it is more than the settings write. */
export function fromToml(text) {
  if (text === null || text === undefined) {
    return null;
  }
  try {
    // The settings' values are JSON as well.
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A value for people to read: without quotes, a list by commas. */
export function plain(text) {
  const value = fromToml(text);
  if (value === undefined) {
    return text;
  }
  return Array.isArray(value) ? value.join(", ") : String(value ?? "");
}
