// What a press does and does not do: running buttons, double clicks, and where the focus goes.
(() => {
  "use strict";
  const { $, $$, on, dialog } = window.catapult;

  // --- a running button keeps its place, its width and the focus, and does nothing until the response is there -------
  const buttonOf = ({ elt, requestConfig }) =>
    requestConfig?.triggeringEvent?.submitter || (elt.matches("form") && $("button:not([type=button])", elt));
  on("htmx:beforeRequest", (event) => buttonOf(event.detail)?.setAttribute?.("aria-busy", "true"));
  on("htmx:afterRequest", (event) => buttonOf(event.detail)?.removeAttribute?.("aria-busy"));

  // --- a click is meant for what the pointer was on: not for what a swap has just put there, nor is a double click two
  const SETTLE_MS = 600;
  const CONTROL = "a, button, input, select, summary, label";
  const pointer = { x: -1, y: -1 };
  const settling = {}; // the control that a swap put under the pointer, or gave the focus to, and until when
  const settle = (how, control) => {
    settling[how] = { control, until: Date.now() + SETTLE_MS };
  };
  const isSettling = (how, control) => settling[how]?.control === control && Date.now() < settling[how].until;
  const underPointer = () => document.elementFromPoint(pointer.x, pointer.y)?.closest(CONTROL);
  const meaning = (control) => control && [control.form?.action || control.href, control.textContent.trim()].join(" ");
  const focused = () => document.activeElement?.closest(CONTROL);
  let before = {};
  ["pointermove", "pointerdown"].forEach((name) => on(name, ({ clientX, clientY }) => {
    Object.assign(pointer, { x: clientX, y: clientY });
  }));
  on("htmx:beforeSwap", () => {
    before = { pointer: meaning(underPointer()), focus: meaning(focused()) };
  });
  on("htmx:afterSwap", () => { // a dialog is open by now
    for (const [how, control] of [["pointer", underPointer()], ["focus", focused()]]) {
      if (control && meaning(control) !== before[how]) settle(how, control);
    }
  });
  document.addEventListener("click", (event) => {
    const control = event.target.closest?.(CONTROL);
    if (!control) return;
    const isChange = control.form?.method === "post" && control.matches("button");
    const isSecond = event.detail > 1 && isChange;
    const isBusy = Boolean(isChange && $("[aria-busy='true']", control.form)) || control.matches("[aria-busy='true']");
    if (!isSecond && !isBusy && !isSettling(event.detail ? "pointer" : "focus", control)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  // --- focus: on the same control, or on the next row's, or on the title of the card; never on the toast ------------
  let places = []; // ids, the best first
  const nextRows = (row) => {
    const rows = $$(":scope > [id]", row?.parentElement ?? document.createElement("p"));
    const index = rows.indexOf(row);
    return [...rows.slice(index + 1), ...rows.slice(0, index).reverse()].slice(0, 5);
  };
  const placesOf = (control) => {
    const prefix = control.id.split("-")[0];
    const next = prefix ? nextRows(control.closest("li, tr")).map((row) => $(`[id^="${prefix}-"]`, row)?.id) : [];
    return [control.id, ...next, $("h2", control.closest(".card") ?? document)?.id].filter(Boolean);
  };
  let opener; // of the dialog
  on("htmx:beforeRequest", (event) => {
    const { elt, target } = event.detail;
    const active = document.activeElement;
    if (elt.matches("[data-poll]")) return;
    if (elt.closest(".toast")) {
      places = [$("[data-done] button, button[id], #save-view", target)?.id].filter(Boolean);
      return;
    }
    const isDialog = target.id === "dialog-body";
    if (isDialog && !dialog().open) opener = { id: elt.id, meaning: meaning(elt) };
    const isPage = elt === document.body || elt.closest("#dialog"); // the dialog's opener gets the focus then
    const isElsewhere = isDialog || isPage || target.id === "hits" || !elt.contains(active);
    places = isElsewhere ? [] : placesOf(active);
  });
  const openerNow = () => {
    const known = opener;
    opener = undefined;
    if (!known) return undefined;
    return document.getElementById(known.id) || $$("main a").find((each) => meaning(each) === known.meaning);
  };
  document.addEventListener("close", () => setTimeout(() => { // the opener may have been replaced meanwhile
    if (document.activeElement === document.body) openerNow()?.focus({ preventScroll: true });
  }), true);
  on("htmx:afterSettle", (event) => {
    const { target, requestConfig } = event.detail;
    if (requestConfig?.elt.matches("[data-poll]") || dialog().open || target?.id === "dialog-body") return;
    if (document.activeElement !== document.body) return;
    const replacement = places.map((id) => document.getElementById(id)).find((each) => each && !each.disabled)
      || openerNow() || (places.length && $("main h1"));
    places = [];
    if (!replacement) return;
    if (replacement.matches("h1, h2")) replacement.tabIndex = -1;
    replacement.focus({ preventScroll: true });
    settle("focus", replacement);
  });
})();
