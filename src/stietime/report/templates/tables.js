"use strict";
// Sorting, searching and choosing rows; without script every table is simply complete.
for (const holder of document.querySelectorAll(".table")) {
  const table = holder.querySelector("table.data");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const valueOf = (row, i) => row.cells[i].dataset.value ?? row.cells[i].textContent.trim();

  const compare = (a, b) => {
    const x = Number(a.replaceAll(",", "")), y = Number(b.replaceAll(",", ""));
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  };
  const empty = (text) => text === "" || text === "\u2013";
  const sortBy = (head, i) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sorted = rows.slice().sort((a, b) => {
      const x = valueOf(a, i), y = valueOf(b, i);
      // what is not measured stands last either way
      if (empty(x) || empty(y)) return empty(x) - empty(y);
      return down ? compare(y, x) : compare(x, y);
    });
    body.append(...sorted);
  };
  if (rows.length > 1) {
    Array.from(table.tHead.rows[0].cells).forEach((head, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.title = "Sort by this column";
      button.addEventListener("click", () => sortBy(head, i));
      head.replaceChildren(button);
    });
  }

  // of a field that opens only the line that is always there
  const lineOf = (cell) => (cell.querySelector("details.more > summary") ?? cell).textContent;
  const textOf = (row) => Array.from(row.cells, lineOf).join(" ").toLowerCase();
  const filters = holder.dataset.filters ? holder.dataset.filters.split(",").map(Number) : [];
  if (!filters.length && !holder.dataset.search) continue;
  const controls = document.createElement("div");
  controls.className = "controls";
  const count = document.createElement("output");
  const chosen = new Map();
  const search = document.createElement("input");
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = textOf(row);
      const fits = words.every((word) => text.includes(word)) &&
        Array.from(chosen).every(([i, value]) => !value || row.cells[i].textContent.trim() === value);
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  const labelled = (text, control) => {
    const label = document.createElement("label");
    label.append(text, control);
    controls.append(label);
  };
  for (const i of filters) {
    const select = document.createElement("select");
    select.append(new Option("all", ""));
    for (const value of new Set(rows.map((row) => row.cells[i].textContent.trim()))) select.append(new Option(value, value));
    select.addEventListener("change", () => { chosen.set(i, select.value); apply(); });
    labelled(table.tHead.rows[0].cells[i].textContent, select);
  }
  if (holder.dataset.search) {
    search.type = "search";
    search.addEventListener("input", apply);
    labelled("search", search);
  }
  controls.append(count);
  const details = holder.querySelector(":scope > details");
  if (details) details.querySelector("summary").after(controls); else holder.prepend(controls);
  apply();
}
