// The queue kept up to date without ever moving a row: cells change in place, rows that are new or stand elsewhere wait
// behind the pill until they are asked for.
const listing = document.getElementById("listing");
const pill = document.getElementById("pill");
const peek = document.getElementById("peek");
const wide = window.matchMedia("(min-width: 84rem)");
let waiting = null;
let chosen = null;

const rows = (root = listing) => [...root.querySelectorAll("tr[data-id]")];
const byId = (list) => new Map(list.map((row) => [row.dataset.id, row]));

function counts(body) {
  for (const pair of body.dataset.counts.trim().split(/\s+/)) {
    const [view, count] = pair.split("=");
    for (const cell of document.querySelectorAll(`[data-count="${view}"]`)) cell.textContent = count;
  }
}

function changeInPlace(row, fresh) {
  row.className = fresh.className;
  for (const [place, cell] of [...fresh.cells].entries()) {
    const old = row.cells[place];
    if (old.innerHTML === cell.innerHTML) continue;
    const worthAFlash = old.textContent.trim() !== cell.textContent.trim() && !cell.classList.contains("c-due");
    old.innerHTML = cell.innerHTML;
    old.className = cell.className;
    if (worthAFlash) old.classList.add("flash");
  }
}

async function update() {
  const answer = await fetch(listing.dataset.rows);
  if (!answer.ok || answer.redirected) return;
  const body = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#rows");
  const now = byId(rows());
  const next = rows(body);
  const nextIds = new Set(next.map((row) => row.dataset.id));
  const fresh = next.filter((row) => !now.has(row.dataset.id));
  counts(body);
  for (const row of next) if (now.has(row.dataset.id)) changeInPlace(now.get(row.dataset.id), row);
  for (const [id, row] of now) row.classList.toggle("gone", !nextIds.has(id));
  const kept = [...now.keys()].filter((id) => nextIds.has(id));
  const order = next.map((row) => row.dataset.id).filter((id) => now.has(id));
  const moved = kept.length !== now.size || order.some((id, place) => id !== kept[place]);
  waiting = fresh.length || moved ? body : null;
  pill.hidden = waiting === null;
  const words = fresh.length === 1 ? pill.dataset.one : pill.dataset.many.replace("#", fresh.length);
  pill.firstElementChild.textContent = fresh.length ? words : pill.dataset.moved;
}

function choose(row, { look = true } = {}) {
  if (!row) return;
  for (const other of rows()) other.toggleAttribute("aria-selected", false);
  row.setAttribute("aria-selected", "true");
  chosen = row.dataset.id;
  row.scrollIntoView({ block: "nearest" });
  if (look && wide.matches) window.htmx.ajax("GET", row.dataset.peek, { target: peek, swap: "innerHTML" });
}

export function move(step) {
  const list = rows();
  const place = list.findIndex((row) => row.dataset.id === chosen);
  const next = list[Math.max(0, Math.min(list.length - 1, place + step))];
  choose(place < 0 ? list[0] : next);
  next?.querySelector(".c-number a").focus({ preventScroll: true });
}

export function openChosen() {
  listing?.querySelector(`tr[data-id="${CSS.escape(chosen ?? "")}"] .c-number a`)?.click();
}

if (listing) {
  document.addEventListener("tickets", update);
  pill.addEventListener("click", () => {
    if (waiting === null) return;
    listing.querySelector("#rows").replaceWith(waiting);
    waiting = null;
    pill.hidden = true;
    document.querySelector(".listing .empty")?.remove();
    choose(rows().find((row) => row.dataset.id === chosen), { look: false });
  });
  listing.addEventListener("click", (event) => {
    if (event.target.closest("a, button, summary")) return;
    const row = event.target.closest("tr[data-id]");
    if (row && wide.matches) choose(row);
    else row?.querySelector(".c-number a").click();
  });
  if (wide.matches && rows().length) choose(rows()[0]);
}
