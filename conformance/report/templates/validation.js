"use strict";
// The report is complete without this script; it filters the rules, and opens what a link leads to and what is printed.
const form = document.querySelector("#filter");
const rows = [...document.querySelectorAll("tr[data-status]")];
const families = [...document.querySelectorAll("details.family")];
const initially = new Map(families.map((family) => [family, family.open]));

function filter() {
  const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const statuses = new Set([...form.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.value));
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !statuses.has(row.dataset.status) || !words.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  for (const family of families) {
    family.hidden = !family.querySelector("tr[data-status]:not([hidden])");
    family.open = shown < rows.length || initially.get(family);
  }
  form.querySelector("output").textContent = `${shown} of ${rows.length} rules shown`;
}

// What a link leads to may be folded away.
function unfold() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let inner = target; inner; inner = inner.parentElement) {
    if (inner.tagName === "DETAILS") inner.open = true;
  }
  if (target) target.closest("details")?.scrollIntoView();
}

addEventListener("hashchange", unfold);
unfold();

form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
filter();

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((details) => { details.open = true; });
});
addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));
