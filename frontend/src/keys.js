// Keys press the visible button that carries them: nothing can be done by key that cannot be done by pointer.
// Single letters are off where people write, with a modifier held, and for whoever switched them off (WCAG 2.1.4).
import { move, openChosen } from "./queue.js";

let prefix = "";

function writes(target) {
  return target.closest("input, textarea, select, [contenteditable]");
}

function press(key) {
  const found = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((it) => it.checkVisibility());
  if (!found) return false;
  if (found.matches("input")) {
    found.focus();
    found.select();
    return true;
  }
  found.click();
  if (found.matches("summary")) found.parentElement.querySelector("textarea, input:not([type=hidden]), select")?.focus();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const fold = document.querySelector("details[open]");
    if (writes(event.target)) event.target.blur();
    if (fold) fold.open = false;
    return;
  }
  if (!document.body.hasAttribute("data-keys")) return;
  if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
  const key = prefix ? `${prefix} ${event.key}` : event.key;
  if (event.key === "g" && !prefix) {
    prefix = "g";
    setTimeout(() => (prefix = ""), 1200);
    return;
  }
  prefix = "";
  if (key === "j" || key === "ArrowDown") {
    if (!document.getElementById("listing")) return;
    move(1);
  } else if (key === "k" || key === "ArrowUp") {
    if (!document.getElementById("listing")) return;
    move(-1);
  } else if (key === "o") {
    if (!press("o")) openChosen();
  } else if (!press(key)) {
    return;
  }
  event.preventDefault();
});
