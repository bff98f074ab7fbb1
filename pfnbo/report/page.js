"use strict";

// Numbers sort as numbers, what is not known goes last either way.
function compare(a, b) {
  const [x, y] = [a, b].map((text) => Number(text.replace("inf", "Infinity")));
  const lost = (text) => text === "nan";
  if (lost(a) || lost(b)) return lost(a) - lost(b);
  if (Number.isNaN(x) || Number.isNaN(y)) return a.localeCompare(b);
  return x === y ? 0 : x - y;
}

function sort(table, head, column) {
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = (row) => row.cells[column].dataset.value;
  const rows = [...table.tBodies[0].rows];
  rows.sort((p, q) => {
    const [a, b] = [value(p), value(q)];
    const order = compare(a, b);
    return up || a === "nan" || b === "nan" ? order : -order;
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => sort(table, head, column));
  });
}
