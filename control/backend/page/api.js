// The REST API.

/** Why a request was not done: a problem as RFC 9457 has them. */
export class Problem extends Error {
  constructor({ type = "", title = "", detail = "", cure = "", problems = [], status = 0 }) {
    super(detail);
    Object.assign(this, { word: type.split(":").at(-1), title, detail, cure, problems, status });
  }
}

let csrf = null;
let loggedOut = () => {};

/** Calls `then` when an answer says that there is no session any more. */
export function onLoggedOut(then) {
  loggedOut = then;
}

async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  if (method !== "GET" && csrf) {
    headers["X-CSRF-Token"] = csrf;
  }
  let answer;
  try {
    answer = await fetch(`api/v1/${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch {
    throw new Problem({ type: "unreachable" });
  }
  if (answer.ok) {
    return answer.status === 204 ? null : answer.json();
  }
  const problem = new Problem(await answer.json().catch(() => ({ status: answer.status, title: answer.statusText })));
  if (problem.word === "unauthenticated" && path !== "session") {
    loggedOut();
  }
  throw problem;
}

/** GET. */
export const get = (path) => ask("GET", path);

/** POST. */
export const post = (path, body) => ask("POST", path, body ?? {});

function take(session) {
  csrf = session.csrf;
  return session;
}

/** Who is logged in. */
export const whoAmI = async () => take(await get("session"));

/** Logs in. */
export const logIn = async (user, password) => take(await post("session", { user, password }));

/** Logs out. */
export async function logOut() {
  await ask("DELETE", "session");
  csrf = null;
}
