// Before anything is drawn, so that a dark page does not begin with a white one. No module: those wait.
"use strict";
(() => {
  const kept = (() => {
    try {
      return localStorage.getItem("manifold-theme");
    } catch {
      return null;
    }
  })();
  if (kept === "light" || kept === "dark") {
    document.documentElement.dataset.theme = kept;
  }
})();
