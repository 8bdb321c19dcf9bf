// Pages that update themselves: what they leave as it is, and how recent they are.
(() => {
  "use strict";
  const { $, $$, on, isTyped } = window.catapult;

  // --- polls: none in a hidden tab, and none that would move what is under the pointer or has the focus --------------
  const PART = ".card, .top, form"; // what a poll leaves as it is while somebody uses it
  const refresh = () => $("#updated") && htmx.trigger($("#updated"), "refresh");
  // What was clicked has the focus too, but only the keyboard's focus is one that somebody looks at.
  let pointer = [-1, -1];
  ["pointermove", "pointerdown"].forEach((name) => on(name, ({ clientX, clientY }) => {
    pointer = [clientX, clientY];
  }));
  document.documentElement.addEventListener("pointerleave", () => {
    pointer = [-1, -1];
  });
  // Just after a swap nothing is hovered yet, or a toast has come between, though the pointer has not moved.
  const isUnderPointer = (part) => document.elementsFromPoint(...pointer).includes(part);
  const isUsed = (part) =>
    isUnderPointer(part) || part.matches(":hover, [data-extended], :has(:focus-visible, select:focus)") || $$("form", part).some(isTyped)
    || (part.matches("form") && isTyped(part));
  const newRows = (old, next) => $$("li[id], tr[id]", next).filter((row) => !document.getElementById(row.id)).length;
  const hold = (old, next) => {
    if (old.matches("[data-show]") || !isUsed(old)) return false;
    old.dataset.held = "";
    const count = newRows(old, next);
    $(":scope > .waiting-rows", old)?.remove();
    if (count && old.matches(".card")) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: `${count} new` });
      button.className = "button waiting-rows";
      old.append(button);
    }
    return true;
  };
  let isPoll = false; // while the response of a poll is swapped in
  let changes = 0; // that were answered: a poll sent before the last of them shows what was there before it
  const sentAt = new WeakMap(); // the polls' requests, and how many changes there were
  on("htmx:beforeSend", ({ detail: { elt, xhr } }) => elt.matches("[data-poll]") && sentAt.set(xhr, changes));
  on("htmx:beforeOnLoad", ({ detail: { requestConfig } }) => {
    if (requestConfig.verb !== "get") changes += 1;
  });
  const callbacks = Idiomorph.defaults.callbacks;
  const isPart = (node) => isPoll && node.nodeType === Node.ELEMENT_NODE && node.matches(PART);
  callbacks.beforeNodeMorphed = (old, next) => !(isPart(old) && hold(old, next));
  callbacks.beforeNodeRemoved = (node) => !(isPart(node) && isUsed(node));
  callbacks.beforeAttributeUpdated = (name, node) => !(isPoll && name === "open" && node.matches("details"));
  on("htmx:configRequest", (event) => {
    if (event.detail.elt.id === "updated") event.detail.path = location.pathname + location.search;
  });
  on("htmx:beforeRequest", (event) => {
    if (event.detail.elt.matches("[data-poll]") && document.hidden) event.preventDefault();
  });
  on("htmx:beforeSwap", (event) => {
    const { target, xhr, requestConfig } = event.detail;
    const elt = requestConfig?.elt;
    isPoll = Boolean(elt?.matches("[data-poll]"));
    const isLate = isPoll && sentAt.get(xhr) !== changes;
    if (isLate) setTimeout(refresh);
    if (isLate) event.detail.shouldSwap = false;
    if (target?.id === "more") target.closest(".card")?.setAttribute("data-extended", ""); // a poll returns fewer rows
  });
  on("htmx:afterSwap", () => {
    isPoll = false;
  });
  const leave = ({ target, relatedTarget }) => {
    const part = target.closest?.(".card[data-held], .card:has([data-done])");
    if (!part || part.contains(relatedTarget)) return;
    setTimeout(() => {
      if (!isUsed(part)) refresh();
    });
  };
  on("pointerout", leave);
  on("focusout", leave);
  on("click", (event) => {
    const rows = event.target.closest(".waiting-rows");
    if (!rows) return;
    const part = rows.closest(".card");
    part.removeAttribute("data-extended");
    part.dataset.show = "";
    rows.remove();
    refresh();
  });
  on("visibilitychange", () => {
    if (!document.hidden) refresh();
  });

  // --- how recent the page is: two polls without a response, and it says that it is stale ----------------------------
  const MISSES = 2;
  let [recent, misses] = [Date.now(), 0];
  const showAge = () => {
    const mark = $("#updated");
    if (!mark) return;
    const [age, stale] = [$(".age", mark), $(".stale", mark)];
    const isStale = misses >= MISSES;
    const seconds = Math.floor((Date.now() - recent) / 1000);
    mark.dataset.state = isStale ? "stale" : "recent";
    age.textContent = `Updated ${seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`} ago`;
    age.hidden = isStale;
    if (!isStale) return stale.replaceChildren();
    if (stale.childNodes.length) return;
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Retry" });
    button.className = "button quiet";
    button.addEventListener("click", () => refresh());
    stale.append(`Stale since ${new Date(recent).toISOString().slice(11, 19)}`, " · ", button);
    stale.title = `${new Date(recent).toISOString().slice(0, 19).replace("T", " ")} UTC`;
  };
  on("htmx:afterRequest", (event) => {
    const { elt, successful } = event.detail;
    if (!elt.matches("[data-poll]")) return;
    if (successful) [recent, misses] = [Date.now(), 0];
    else misses += 1;
    showAge();
  });
  on("htmx:afterSwap", (event) => { // another page, or the same one after a change, is as recent as a poll
    if (["main", ""].includes(event.detail.target?.id)) [recent, misses] = [Date.now(), 0];
    showAge();
  });
  setInterval(showAge, 1000);
  showAge();
})();
