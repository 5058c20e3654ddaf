// The live dot: says whether the page hears of changes, in a word as well as in a colour.
const pulse = document.getElementById("pulse");

function show(on) {
  if (!pulse) return;
  pulse.toggleAttribute("data-on", on);
  pulse.querySelector("span").textContent = on ? pulse.dataset.live : pulse.dataset.lost;
}

pulse?.addEventListener("ready", () => {
  // A stream that comes back may have missed something: behave as if everything had changed.
  const again = pulse.dataset.was === "lost";
  pulse.dataset.was = "";
  show(true);
  if (again) for (const name of ["tickets", "devices", "rollouts"]) window.htmx.trigger(pulse, name, {});
});
for (const name of ["htmx:sse:error", "htmx:sse:close"]) {
  pulse?.addEventListener(name, () => {
    pulse.dataset.was = "lost";
    show(false);
  });
}

// The counts beside the views, on pages that do not list tickets themselves.
async function counts() {
  const answer = await fetch("/staff/queue/counts");
  if (!answer.ok || answer.redirected) return;
  for (const [view, count] of Object.entries(await answer.json())) {
    for (const cell of document.querySelectorAll(`[data-count="${view}"]`)) cell.textContent = count;
  }
}

if (document.querySelector("[data-ask]")) {
  document.addEventListener("tickets", counts);
  counts();
}

// An open ticket that somebody else edits says so; it never changes under the reader's hands.
const open = document.querySelector("article[data-version]");
const stale = document.getElementById("stale");
if (open && stale) {
  document.addEventListener("tickets", async () => {
    const answer = await fetch(`/api/v1/tickets/${open.dataset.ticket}`, { headers: { Accept: "application/json" } });
    if (answer.ok) stale.hidden = String((await answer.json()).version) === open.dataset.version;
  });
}
