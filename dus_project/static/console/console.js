"use strict";

// Menus and filters close when something else is clicked or Escape is pressed.
{
  const menus = () => document.querySelectorAll("details.menu[open], details.filter[open]");
  document.addEventListener("click", (event) => {
    menus().forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menus().forEach((menu) => {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });
}

// Copy buttons appear only where the browser lets a page write to the clipboard.
if (navigator.clipboard) {
  document.querySelectorAll("button.copy").forEach((button) => {
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.copied;
      window.setTimeout(() => {
        button.textContent = label;
      }, 1500);
    });
  });
}

// On a narrow screen the current tab may lie outside the strip.
{
  const tabs = document.querySelector(".tabs");
  const current = tabs && tabs.querySelector("[aria-current]");
  if (current) {
    tabs.scrollLeft = current.offsetLeft - (tabs.clientWidth - current.offsetWidth) / 2;
  }
}

// On a narrow screen each row becomes a card, whose cells say which column they are.
document.querySelectorAll("#result_list, table.rows").forEach((table) => {
  const titles = Array.from(table.tHead.rows[0].cells, (cell) => {
    const text = cell.querySelector(".text") || cell;
    return text.textContent.trim();
  });
  Array.from(table.tBodies[0].rows).forEach((row) => {
    Array.from(row.cells).forEach((cell, column) => {
      if (!cell.hasAttribute("colspan")) cell.dataset.label = titles[column];
    });
  });
  table.classList.add("stack");
});
