// What a filter may go on with, while somebody types: a list below the field that works by keyboard and pointer.
(() => {
  "use strict";
  const { $, $$, on } = window.catapult;
  const WAIT_MS = 120;
  let [timer, asked, start] = [0, 0, 0];
  const input = () => $("[data-completions]");
  const list = () => $("#completions");
  const options = () => $$("[role=option]", list() || document.createElement("ul"));
  const active = () => options().find((option) => option.ariaSelected === "true");
  const close = () => {
    asked += 1;
    if (!list()) return;
    list().remove();
    input()?.setAttribute("aria-expanded", "false");
    input()?.removeAttribute("aria-activedescendant");
  };
  const open = (texts) => {
    close();
    if (!texts.length) return;
    const box = Object.assign(document.createElement("ul"), { id: "completions", className: "completions mono" });
    box.role = "listbox";
    box.ariaLabel = "What may follow";
    texts.forEach((text, index) => {
      const option = Object.assign(document.createElement("li"), { id: `completion-${index}`, textContent: text });
      option.role = "option";
      option.ariaSelected = "false";
      box.append(option);
    });
    input().after(box);
    input().setAttribute("aria-expanded", "true");
  };
  const ask = () => {
    const field = input();
    const mine = asked += 1;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const address = new URL(field.dataset.completions, location);
      address.searchParams.set("filter", field.value.slice(0, field.selectionStart));
      try {
        const answer = await fetch(address);
        const offer = answer.ok ? await answer.json() : { texts: [] };
        if (mine !== asked || document.activeElement !== field) return;
        start = offer.start;
        open(offer.texts);
      } catch { /* the field works without */ }
    }, WAIT_MS);
  };
  const select = (option) => {
    options().forEach((each) => {
      each.ariaSelected = String(each === option);
    });
    input().setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  };
  const accept = (option) => {
    const field = input();
    const text = option.textContent + (option.textContent.endsWith("(") ? "" : " ");
    field.setRangeText(text, start, field.selectionStart, "end");
    close();
    ask();
  };
  const move = (step) => {
    const all = options();
    if (!all.length) return ask();
    const before = active() ? all.indexOf(active()) : Math.min(-step, 0);
    return select(all[(before + step + all.length) % all.length]);
  };
  on("focusin", ({ target }) => {
    if (!target.matches("[data-completions]")) return;
    Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-controls": "completions" })
      .forEach(([name, value]) => target.setAttribute(name, value));
    target.setAttribute("aria-expanded", "false");
  });
  on("focusout", ({ target }) => target.matches("[data-completions]") && close());
  on("input", ({ target }) => target.matches("[data-completions]") && ask());
  on("htmx:beforeRequest", close);
  on("pointerdown", (event) => {
    const option = event.target.closest("#completions [role=option]");
    if (!option) return;
    event.preventDefault(); // the field keeps the focus
    accept(option);
  });
  on("keydown", (event) => {
    if (!event.target.matches("[data-completions]")) return;
    const chosen = active();
    const act = { ArrowDown: () => move(1), ArrowUp: () => move(-1), Escape: list() && close }[event.key]
      || (["Enter", "Tab"].includes(event.key) && chosen && (() => accept(chosen)));
    if (!act) return;
    event.preventDefault();
    act();
  });
})();
