// Begins the page. Where one of its files does not come (the service restarts, the line breaks), says so and tries again.

const PAUSE = 3000;

import("./app.js").catch((error) => {
  const note = document.createElement("p");
  note.className = "note bad";
  note.setAttribute("role", "alert");
  const place = document.getElementById("app");
  place.replaceChildren(note);
  if (error instanceof SyntaxError) {
    // It would not be another one after the next try.
    note.textContent = "This browser is too old for this page. · Браузер слишком стар для этой страницы.";
    return;
  }
  note.textContent =
    "Manifold does not answer; this page tries again. · Manifold не отвечает; страница попробует ещё раз.";
  setTimeout(() => location.reload(), PAUSE);
});
