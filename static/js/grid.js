// A table of cells by keyboard: one tab stop, arrow keys, Enter, and a card that says a cell in words.
// The server sends letters only; names, links and words are read from the row's head, the column's head and the legend.
// Every listener is on the document, so a table that htmx swaps in works like the first one.
"use strict";

(() => {
  const PAGE = 10; // rows PageUp and PageDown move by
  const said = new Map(); // row's address → what the server said of its cells, or the promise of it
  let card = null;
  let waiting = 0;

  const sheetOf = (node) => node?.closest?.("[data-grid]");
  const cellOf = (node) => (sheetOf(node) ? node.closest("td, th") : null);
  const isGap = (cell) => cell.classList.contains("gut");
  const isHidden = (cell) => cell.offsetParent === null;

  // --- where a cell is ------------------------------------------------------------------------------------------

  // Place among the columns of the second line of heads; headings that span all columns have place 0.
  function placeOf(cell) {
    return cell.cellIndex;
  }

  function headOf(cell) {
    const heads = cell.closest("table").tHead.rows;
    return heads[heads.length - 1].cells[placeOf(cell)];
  }

  function linkOf(cell) {
    return cell.querySelector("a") || cell.parentElement.querySelector("th a");
  }

  function addressOf(cell) {
    const link = linkOf(cell);
    if (!link) return "";
    const url = new URL(link.href);
    const run = headOf(cell)?.querySelector("a")?.href.match(/runs\/(\d+)\/$/);
    if (run && cell.tagName === "TD" && /\/cases\/\d+\/$/.test(url.pathname)) url.hash = `run-${run[1]}`;
    return url.href;
  }

  // --- moving ---------------------------------------------------------------------------------------------------

  // Every row that can be walked: the line of runs first.
  function rowsOf(table) {
    return [...table.rows].slice(table.tHead.rows.length - 1);
  }

  function findIn(row, place, step) {
    let at = Math.min(place, row.cells.length - 1);
    while (row.cells[at] && (isGap(row.cells[at]) || isHidden(row.cells[at]))) at += step || -1;
    return row.cells[at] || null;
  }

  const MOVES = {
    ArrowRight: (row, place) => [row, place + 1, 1],
    ArrowLeft: (row, place) => [row, place - 1, -1],
    ArrowDown: (row, place) => [row + 1, place, -1],
    ArrowUp: (row, place) => [row - 1, place, -1],
    PageDown: (row, place) => [row + PAGE, place, -1],
    PageUp: (row, place) => [row - PAGE, place, -1],
    Home: (row, place, all) => [all ? 0 : row, 0, 1],
    End: (row, place, all) => [all ? Infinity : row, Infinity, -1],
  };

  function move(cell, key, all) {
    const rows = rowsOf(cell.closest("table"));
    const from = rows.indexOf(cell.parentElement);
    const [row, place, step] = MOVES[key](from, wantedPlace ?? placeOf(cell), all);
    const target = findIn(rows[Math.max(0, Math.min(row, rows.length - 1))], Math.max(place, 0), step);
    if (!target) return;
    const isVertical = key.startsWith("Page") || key === "ArrowDown" || key === "ArrowUp";
    const wanted = isVertical ? place : null;
    focus(target);
    wantedPlace = wanted; // a heading is one wide cell: behind it the column goes on
  }

  let wantedPlace = null;

  function focus(cell) {
    for (const other of cell.closest("table").querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    cell.tabIndex = 0;
    cell.focus({ preventScroll: true });
    reveal(cell);
  }

  // Into sight, beside the names and below the heads that stay where they are.
  function reveal(cell) {
    const sheet = sheetOf(cell);
    const table = cell.closest("table");
    const box = cell.getBoundingClientRect();
    const frame = sheet.getBoundingClientRect();
    const head = table.tHead.getBoundingClientRect().height;
    const name = cell.closest("tr").cells[0];
    const names = cell === name ? 0 : rowsOf(table)[0].cells[0].getBoundingClientRect().width;
    if (!cell.closest("thead")) {
      if (box.top < frame.top + head) sheet.scrollTop -= frame.top + head - box.top;
      if (box.bottom > frame.top + sheet.clientHeight) sheet.scrollTop += box.bottom - frame.top - sheet.clientHeight;
    }
    if (cell !== name) {
      if (box.left < frame.left + names) sheet.scrollLeft -= frame.left + names - box.left;
      if (box.right > frame.left + sheet.clientWidth) sheet.scrollLeft += box.right - frame.left - sheet.clientWidth;
    }
    const now = cell.getBoundingClientRect();
    if (now.bottom > innerHeight || now.top < 0) cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  // --- the words ------------------------------------------------------------------------------------------------

  function wordOf(cell) {
    if (cell.dataset.of) return `${cell.dataset.of} ended as expected`;
    const letter = cell.textContent;
    for (const key of document.querySelectorAll(".states .key:not(.cut)")) {
      if (key.textContent === letter) return key.parentElement.querySelector("[data-word]").textContent;
    }
    return letter;
  }

  function nameOf(row) {
    const head = row.cells[0];
    return head.title || head.textContent;
  }

  function beforeOf(cell) {
    let other = cell.previousElementSibling;
    while (other && !other.classList.contains("num")) {
      if (!isGap(other) && (other.textContent || other.dataset.of)) return wordOf(other);
      other = other.previousElementSibling;
    }
    return "";
  }

  function isValue(cell) {
    return cell.tagName === "TD" && !isGap(cell) && !cell.classList.contains("num") && cell.closest("tbody");
  }

  // The lines of a cell's card: the test, how it ended and what it did before, the run, and what it said.
  function describe(cell) {
    const head = headOf(cell);
    const before = beforeOf(cell);
    const told = said.get(linkOf(cell)?.href);
    const run = head.querySelector("a")?.href.match(/runs\/(\d+)\/$/)?.[1];
    const [took, job, words] = (told instanceof Promise ? null : told?.[run]) || ["", "", ""];
    const how = [wordOf(cell), took && `in ${took}`, job && `on ${job}`].filter(Boolean).join(" ");
    return [nameOf(cell.parentElement), before ? `${how}; before that: ${before}` : how, head.title, words].filter(Boolean);
  }

  // What a row's cells have to say beyond their letter is asked for once, when somebody comes to the row.
  function ask(cell, then) {
    const link = linkOf(cell);
    const number = link?.href.match(/\/cases\/(\d+)\/$/)?.[1];
    if (!number) return;
    const known = said.get(link.href);
    if (known instanceof Promise) known.then(then);
    if (known) return;
    const query = new URLSearchParams(location.search);
    query.set("format", "card");
    query.set("case", number);
    const answer = fetch(`?${query}`, { credentials: "same-origin" })
      .then((response) => (response.ok ? response.json() : {}))
      .catch(() => ({})); // the letters are still there
    said.set(link.href, answer);
    answer.then((lines) => said.set(link.href, lines)).then(then);
  }

  function show(cell, x, y) {
    hide();
    card = document.createElement("div");
    card.className = "cell-card";
    card.setAttribute("aria-hidden", "true"); // the cell's own label says the same
    fill(cell);
    document.body.append(card);
    place(x, y);
    const mine = card;
    ask(cell, () => {
      label(cell);
      if (card !== mine) return;
      fill(cell);
      place(x, y);
    });
  }

  function fill(cell) {
    card.replaceChildren(
      ...describe(cell).map((line, at) => {
        const part = document.createElement("p");
        part.textContent = line;
        if (at === 0) part.className = "id";
        return part;
      })
    );
  }

  function place(x, y) {
    const box = card.getBoundingClientRect();
    card.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 4))}px`;
    card.style.top = `${y + 12 + box.height > innerHeight ? Math.max(4, y - box.height - 24) : y + 12}px`;
  }

  function hide() {
    clearTimeout(waiting);
    card?.remove();
    card = null;
  }

  function label(cell) {
    cell.setAttribute("aria-label", describe(cell).join(". "));
  }

  // --- acting ---------------------------------------------------------------------------------------------------

  function open(cell, isApart) {
    const address = addressOf(cell);
    if (!address) return;
    if (isApart) return window.open(address, "_blank", "noopener");
    remember(cell);
    location.assign(address);
  }

  // Whoever comes back finds the focus where it was.
  const PLACE = "grid-place";

  function remember(cell) {
    const row = rowsOf(cell.closest("table")).indexOf(cell.parentElement);
    const place = { page: location.pathname + location.search, row, cell: placeOf(cell) };
    try {
      sessionStorage.setItem(PLACE, JSON.stringify(place));
    } catch {
      // a browser that keeps nothing begins at the first row
    }
  }

  function comeBack() {
    let place = null;
    try {
      place = JSON.parse(sessionStorage.getItem(PLACE));
      sessionStorage.removeItem(PLACE);
    } catch {
      return;
    }
    const table = document.querySelector("[data-grid] table");
    if (!table || place?.page !== location.pathname + location.search) return;
    const cell = rowsOf(table)[place.row]?.cells[place.cell];
    if (cell) focus(cell);
  }

  async function copy(cell) {
    const address = addressOf(cell);
    if (!address) return;
    let told = "Link copied";
    try {
      await navigator.clipboard.writeText(address);
    } catch {
      told = address; // plain http:// on a LAN has no clipboard: at least it can be read
    }
    const box = cell.getBoundingClientRect();
    if (!card) show(cell, box.left, box.bottom);
    const part = document.createElement("p");
    part.setAttribute("role", "status");
    part.textContent = told;
    card.removeAttribute("aria-hidden");
    card.append(part);
  }

  // The one tab stop: the newest cell of the first row. The links stay clickable, and Enter opens them.
  function wake() {
    for (const sheet of document.querySelectorAll("[data-grid]:not([data-awake])")) {
      sheet.dataset.awake = "";
      sheet.removeAttribute("tabindex");
      for (const link of sheet.querySelectorAll("a")) link.tabIndex = -1;
      const table = sheet.querySelector("table");
      const first = table?.tBodies[0]?.rows[0];
      if (first) first.cells[0].tabIndex = 0;
      sheet.scrollLeft = sheet.scrollWidth; // the newest run; a sheet that opens from the right is there already
    }
  }

  document.addEventListener("keydown", (event) => {
    const cell = cellOf(event.target);
    if (!cell || event.altKey) return;
    const isCommand = event.ctrlKey || event.metaKey;
    if (event.key in MOVES && (!isCommand || event.key === "Home" || event.key === "End")) {
      event.preventDefault();
      move(cell, event.key, isCommand);
    } else if (event.key === "Enter") {
      event.preventDefault();
      open(cell, isCommand);
    } else if (event.key === "c" && !isCommand) {
      copy(cell);
    } else if (event.key === "Escape") {
      hide();
    }
  });

  document.addEventListener("focusin", (event) => {
    const cell = cellOf(event.target);
    wantedPlace = null;
    if (!cell || !isValue(cell)) return hide();
    label(cell);
    const box = cell.getBoundingClientRect();
    show(cell, box.left, box.bottom);
  });
  document.addEventListener("focusout", hide);

  document.addEventListener("pointerover", (event) => {
    const cell = cellOf(event.target);
    if (event.pointerType === "touch" || !cell || !isValue(cell)) return event.target.closest?.(".cell-card") || hide();
    clearTimeout(waiting);
    waiting = setTimeout(() => show(cell, event.clientX, event.clientY), 60); // a pointer that only passes asks nothing
  });

  document.addEventListener("click", (event) => {
    const first = event.target.closest?.("a[href='#grid']") && document.querySelector("[data-grid] [tabindex='0']");
    if (first) {
      event.preventDefault();
      return focus(first);
    }
    const cell = cellOf(event.target);
    if (cell && isValue(cell) && !event.target.closest("a")) open(cell, event.ctrlKey || event.metaKey);
  });

  document.addEventListener("scroll", (event) => event.target.matches?.("[data-grid]") && !document.activeElement?.closest("[data-grid]") && hide(), true);
  document.addEventListener("htmx:after:swap", wake);
  wake();
  addEventListener("pageshow", (event) => {
    if (event.persisted || performance.getEntriesByType("navigation")[0]?.type === "back_forward") comeBack();
  });
})();
