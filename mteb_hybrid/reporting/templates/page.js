"use strict";
// the button for dark and light colours; without it the system's choice holds
const root = document.documentElement, button = document.getElementById("theme");
const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const label = () => { button.textContent = dark() ? "Light colours" : "Dark colours"; };
button.hidden = false;
button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; label(); });
label();
// heat maps: the full value under the map, and the arrow keys to move; one cell of each map is a tab stop
for (const table of document.querySelectorAll(".heat")) {
  const output = table.closest("figure").querySelector("output"), cells = [...table.querySelectorAll("td[data-name]")];
  const show = (cell) => { output.textContent = cell.dataset.name; };
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  cells.forEach((cell, number) => { cell.tabIndex = number === 0 ? 0 : -1; });
  table.addEventListener("pointerover", (event) => { const cell = event.target.closest("td[data-name]"); if (cell) show(cell); });
  table.addEventListener("focusin", (event) => { if (event.target.dataset.name) show(event.target); });
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td[data-name]");
    if (!cell || !(event.key in step)) return;
    event.preventDefault();
    const [down, right] = step[event.key];
    let row = cell.parentElement.sectionRowIndex + down, column = cell.cellIndex + right;
    for (const rows = table.tBodies[0].rows; rows[row] && rows[row].cells[column]; row += down, column += right) {
      const next = rows[row].cells[column];
      if (!next.dataset.name) continue;
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
      return;
    }
  });
}
