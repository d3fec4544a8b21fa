// What every page needs: the chosen theme, copy buttons, and forms that send themselves.
// Loaded before the first paint, so that a chosen theme never flashes the other one.
"use strict";

(() => {
  const KEY = "suitewatch-theme";
  const root = document.documentElement;

  function chosenTheme() {
    try {
      return localStorage.getItem(KEY) || "system";
    } catch {
      return "system"; // storage may be forbidden; then the system decides
    }
  }

  function applyTheme(theme) {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    for (const button of document.querySelectorAll(".choose-theme button")) {
      button.setAttribute("aria-pressed", String(button.value === theme));
    }
  }

  function chooseTheme(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // shown for this page, forgotten with it
    }
    applyTheme(theme);
    document.dispatchEvent(new Event("suitewatch:theme"));
  }

  async function copyText(button) {
    const source = document.getElementById(button.dataset.copy);
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Plain http:// on a LAN has no clipboard: select the text, so that one key copies it.
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: copy it with your keyboard";
    }
    setTimeout(() => { button.textContent = before; }, 2500);
  }

  function wake(scope) {
    // These work only with a script, so they appear only with one.
    for (const hidden of scope.querySelectorAll("[data-copy][hidden], .choose-theme[hidden]")) hidden.hidden = false;
    for (const list of scope.querySelectorAll("[data-zones]:empty")) {
      list.append(...(Intl.supportedValuesOf?.("timeZone") || []).map((zone) => new Option(zone)));
    }
    for (const form of scope.querySelectorAll("form[data-submits-itself]")) form.requestSubmit();
  }

  applyTheme(chosenTheme());

  // On a narrow screen the line of pages scrolls: the page one is on must be in sight.
  function showCurrentPage() {
    const pages = document.querySelector(".pages");
    const current = pages?.querySelector("[aria-current]");
    if (current) pages.scrollLeft = current.offsetLeft - pages.offsetLeft - (pages.clientWidth - current.offsetWidth) / 2;
  }

  document.addEventListener("DOMContentLoaded", () => {
    showCurrentPage();
    wake(document);
    applyTheme(chosenTheme());
  });

  document.addEventListener("click", (event) => {
    const theme = event.target.closest(".choose-theme button");
    if (theme) chooseTheme(theme.value);
    const copy = event.target.closest("[data-copy]");
    if (copy) copyText(copy);
  });

  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.ask;
    if (question && !confirm(question)) event.preventDefault();
  });

  // A hidden tab asks nothing; it catches up when it is looked at again.
  document.addEventListener("htmx:config:request", (event) => {
    const trigger = event.target.getAttribute?.("hx-trigger") || "";
    if (document.hidden && trigger.includes("every")) event.preventDefault();
  });

  document.addEventListener("htmx:after:swap", () => wake(document));
})();
