// Runs before the first paint, so that a dark room is not lit up while the page loads.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => (document.cookie.match(/ngatu_theme=(light|dark)/) || [])[1] || "auto";
  const show = () => {
    const theme = chosen() === "auto" ? (dark.matches ? "dark" : "light") : chosen();
    document.documentElement.dataset.theme = theme;
    document.documentElement.dataset.chosen = chosen();
    document.querySelectorAll("[data-theme-choice]").forEach((b) => b.setAttribute("aria-pressed", b.dataset.themeChoice === chosen()));
    window.dispatchEvent(new CustomEvent("ngatu-theme", { detail: theme }));
  };
  dark.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", show);
  document.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-theme-choice]");
    if (choice) {
      document.cookie = `ngatu_theme=${choice.dataset.themeChoice}; path=/; max-age=31536000; samesite=lax`;
      show();
    }
    document.querySelectorAll("details.menu[open], details.fleet[open], details.keys[open]").forEach((d) => d.contains(event.target) || d.removeAttribute("open"));
  });
  const tick = () => document.querySelectorAll("[data-clock]").forEach((c) => (c.textContent = new Date().toLocaleTimeString("vi", { timeZone: c.dataset.clock })));
  setInterval(tick, 1000);
  // The bar comes with the page's first drawing: show the time, and on a narrow screen which page this is, as soon as it is there.
  new MutationObserver((_, watcher) => {
    const here = document.querySelector(".nav [aria-current]");
    if (!here) return;
    watcher.disconnect();
    here.scrollIntoView({ inline: "center", block: "nearest" });
    tick();
    show();
  }).observe(document.documentElement, { childList: true, subtree: true });
  show();
})();
