"use strict";
// Headings of tables become buttons that sort. What is not there (empty, or a dash) stays last either way; numbers,
// read from the start of a cell, come before words.
const collator = new Intl.Collator("en", { numeric: true });
const told = document.getElementById("sorted");

const value = (row, at) => {
  const cell = row.cells[at];
  const text = cell.textContent.trim();
  if (text === "" || text === "-") return null;
  return cell.tagName === "TD" && /^[+-]?\d/.test(text) ? parseFloat(text) : text;
};

const compare = (a, b) => {
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return typeof a === "number" ? a - b : collator.compare(a, b);
};

const sort = (table, head, at) => {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const keyed = [...table.tBodies[0].rows].map((row) => [value(row, at), row]);
  keyed.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return down ? compare(b, a) : compare(a, b);
  });
  table.tBodies[0].append(...keyed.map(([, row]) => row));
  told.textContent = `${table.caption.textContent}: by ${head.textContent}, ${down ? "descending" : "ascending"}`;
};

for (const table of document.querySelectorAll("table")) {
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head, at));
    head.append(button);
  });
}
