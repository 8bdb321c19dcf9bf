// What HTML and HTMX cannot do by themselves: theme, shortcuts, copying, dialogs, toasts, and polls that keep still.
// Every page works without it. The listeners of `htmx:` events stand here and nowhere else.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const on = (event, act) => document.addEventListener(event, act);
  const dialog = () => $("#dialog");
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");

  // --- toasts -----------------------------------------------------------------------------------------------------
  const LASTS = 10_000;
  const keepFor = (toast) => {
    let timer;
    const start = () => { clearTimeout(timer); timer = setTimeout(() => toast.remove(), LASTS); };
    const stop = () => clearTimeout(timer);
    toast.addEventListener("pointerenter", stop);
    toast.addEventListener("pointerleave", start);
    toast.addEventListener("focusin", stop);
    toast.addEventListener("focusout", start);
    start();
  };
  const toast = (text, retry) => {
    const box = document.createElement("div");
    box.className = "toast";
    box.append(text);
    if (retry) {
      const again = document.createElement("button");
      again.type = "button";
      again.className = "link";
      again.textContent = "Retry";
      again.addEventListener("click", () => { box.remove(); retry(); });
      box.append(again);
    }
    $("#toasts").append(box);
    keepFor(box);
  };
  on("toast", (event) => toast(event.detail.text));
  on("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id === "toasts") event.detail.target.querySelectorAll(".toast").forEach(keepFor);
  });

  on("htmx:afterRequest", (event) => {
    const box = event.detail.elt.closest(".toast");
    if (box && event.detail.successful) box.remove(); // what its Undo did has a toast of its own
  });

  // --- what went wrong: a proxy's or a server's page is never swapped in -----------------------------------------------
  const retryOf = (detail) => () => {
    const element = detail.elt;
    if (!element.isConnected) return location.reload();
    return element.matches("form") ? element.requestSubmit() : htmx.trigger(element, element.matches("input") ? "search" : "click");
  };
  on("htmx:responseError", (event) => {
    const { xhr, elt } = event.detail;
    if (elt.matches("[data-poll]")) return;
    const id = xhr.getResponseHeader("X-Request-ID");
    toast(`The server answered ${xhr.status}. Nothing is lost.${id ? ` Request ${id}` : ""}`, retryOf(event.detail));
  });
  ["htmx:sendError", "htmx:timeout"].forEach((name) => on(name, (event) => {
    if (!event.detail.elt.matches("[data-poll]")) toast("The server cannot be reached.", retryOf(event.detail));
  }));

  // --- a session that ended while somebody typed: what was typed waits in this tab until they have signed in again ------------
  const KEPT = "typed";
  const placeOf = (form) => new URL(form.action).pathname;
  const isChanged = (field) => field.options
    ? field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected))
    : field.value !== (field.defaultValue ?? field.value) || field.checked !== field.defaultChecked;
  const isTyped = (form) => form.closest("#dialog") || $("[aria-invalid='true']", form) || [...form.elements].some(isChanged);
  const kept = () => JSON.parse(sessionStorage.getItem(KEPT) || "{}");
  on("htmx:beforeOnLoad", (event) => {
    const { elt, xhr } = event.detail;
    if (xhr.status !== 401) return;
    const typed = [...document.querySelectorAll("#dialog form[method=post], main form[method=post]")].filter((form) => form === elt || isTyped(form));
    sessionStorage.setItem(KEPT, JSON.stringify({ ...kept(), ...Object.fromEntries(typed.map((form) => [placeOf(form), [...new FormData(form)]])) }));
    const form = typed.find((each) => each.closest("#dialog")) || typed[0];
    if (!form || typed.includes(elt)) return; // a form that was sent is where the answer leads to, too
    event.preventDefault();
    const address = new URL(xhr.getResponseHeader("HX-Redirect"), location);
    address.searchParams.set("next", placeOf(form) === location.pathname ? location.pathname + location.search : placeOf(form));
    location.assign(address);
  });
  const restore = (form) => {
    const { [placeOf(form)]: fields, ...others } = kept();
    if (!fields) return;
    sessionStorage.setItem(KEPT, JSON.stringify(others));
    for (const [name, value] of fields) {
      const field = $(`[name="${CSS.escape(name)}"]`, form);
      if (field?.type === "checkbox") field.checked = true;
      else if (field) field.value = value;
    }
  };
  const restoreAll = () => document.querySelectorAll("#dialog form[method=post], main form[method=post]").forEach(restore);
  on("htmx:afterSettle", restoreAll);
  restoreAll();

  // Back to a page that is gone, or while the server is away: the browser itself shows what is there now.
  on("htmx:historyCacheMissLoadError", () => location.reload());

  // --- focus: the button that was pressed is disabled and replaced; what takes its place gets the focus ----------------------
  let pressed = "";
  on("htmx:beforeRequest", (event) => {
    const active = document.activeElement;
    if (!event.detail.elt.matches("[data-poll]")) pressed = event.detail.elt.contains(active) ? active.id || "none" : "";
  });
  on("htmx:afterSettle", (event) => {
    if (!pressed || document.activeElement !== document.body || event.detail.elt.matches("[data-poll]:not(:has(form))")) return;
    const heir = document.getElementById(pressed) || $("#toasts .toast:last-child button");
    pressed = "";
    if (heir) heir.focus({ preventScroll: true });
  });

  // --- polls: none in a hidden tab, and none that would move a row under the pointer or what has the focus ---------------
  on("htmx:beforeRequest", (event) => {
    const element = event.detail.elt;
    if (!element.matches("[data-poll]")) return;
    const used = element.matches(":hover") || (element.contains(document.activeElement) && document.activeElement !== document.body);
    if (document.hidden || used) event.preventDefault();
  });

  // --- dialogs: a link with data-dialog is a page of its own where this does not run ------------------------------------
  on("htmx:afterSwap", (event) => {
    if (event.detail.target?.id === "dialog-body" && !dialog().open) {
      dialog().showModal();
      dialog().append($("#toasts")); // all else is out of reach now, and a toast may have Retry
    }
  });
  on("htmx:afterSettle", (event) => {
    const bad = $("[aria-invalid='true']", event.detail.elt);
    if (bad && event.detail.elt.matches("form, main, .stack") && !document.activeElement.matches("[aria-invalid='true']")) bad.focus();
    document.querySelectorAll("[data-confirm]").forEach(guard);
    count();
  });
  const emptied = () => { // a new key must not stay in the page
    $("#dialog-body").replaceChildren();
    document.body.append($("#toasts"));
  };
  const shut = () => { dialog().close(); emptied(); }; // `close` is told of a moment later
  document.addEventListener("close", (event) => { if (event.target === dialog() && !dialog().open) emptied(); }, true);
  on("close-dialog", () => dialog().close()); // the form whose answer says so is still needed for the swap
  let pointed;
  on("pointerdown", (event) => { pointed = event.target; });
  on("click", (event) => {
    if (event.target.closest("#dialog [data-close]")) { event.preventDefault(); shut(); }
    if (event.target === dialog() && pointed === dialog()) shut(); // not where a selection of text ended
    if (event.target.closest("[data-dismiss]")) event.target.closest(".toast").remove();
  });

  // --- copy -------------------------------------------------------------------------------------------------------
  const copied = async (text) => {
    try { return await navigator.clipboard.writeText(text); } catch { /* not allowed, or there is none */ }
    const area = document.createElement("textarea"); // without https there is no clipboard but this one
    area.value = text;
    (dialog().open ? dialog() : document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };
  on("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    const from = button.dataset.copyFrom;
    const text = from === "address" ? location.href : from ? $(from).textContent : button.dataset.copy;
    await copied(text);
    toast("Copied.");
  });

  // --- theme: the server reads the cookie, so that no page flashes in the other one ------------------------------------
  on("submit", (event) => {
    if (!event.target.matches("[data-theme-switch]")) return;
    event.preventDefault();
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  });

  // --- the field that shows a key, and the name that has to be typed ----------------------------------------------------
  on("click", (event) => {
    const button = event.target.closest("[data-reveal]");
    if (!button) return;
    const field = $(button.dataset.reveal);
    field.type = field.type === "password" ? "text" : "password";
    button.setAttribute("aria-pressed", String(field.type === "text"));
  });
  const guard = (field) => { $("[type=submit]", field.form).disabled = field.value.trim() !== field.dataset.confirm.trim(); };
  on("input", (event) => { if (event.target.matches("[data-confirm]")) guard(event.target); });

  // --- compare: how many are ticked -----------------------------------------------------------------------------------
  const count = () => {
    const button = $("#compare-button");
    if (!button) return;
    const ticked = document.querySelectorAll("input[name=v][form=compare]:checked").length;
    button.textContent = `Compare ${ticked}`;
    button.disabled = ticked < 2 || ticked > 6;
  };
  on("change", (event) => { if (event.target.matches("input[name=v]")) count(); });

  // --- shortcuts ------------------------------------------------------------------------------------------------------
  const PLACES = { o: "/", m: "/models", d: "/deployments", e: "/environments", t: "/gates", i: "/inbox", a: "/audit", k: "/keys" };
  let going = 0;
  const move = (step) => {
    const links = [...document.querySelectorAll("#hits a")];
    if (!links.length) return false;
    const at = links.indexOf(document.activeElement) + step;
    (at < 0 ? $("#search") : links[Math.min(at, links.length - 1)]).focus();
    return true;
  };
  const closeSearch = (event) => {
    event.preventDefault(); // else the browser empties the field, which asks again and shows what was just closed
    htmx.trigger($("#search"), "htmx:abort");
    $("#hits").replaceChildren();
    pressed = ""; // what was found may still be settling, and would give the field its focus back
    $("#search").blur();
  };
  on("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inSearch = event.target.closest(".search");
    if (inSearch && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      if (move(event.key === "ArrowDown" ? 1 : -1)) event.preventDefault();
      return;
    }
    if (inSearch && event.key === "Escape") { closeSearch(event); return; }
    if (typing(event.target) || dialog().open) return;
    if (event.key === "/" && $("#search")) { event.preventDefault(); $("#search").focus(); }
    else if (event.key === "?") { $("#help")?.showModal(); }
    else if (event.key === "g") { going = Date.now(); }
    else if (Date.now() - going < 1500 && PLACES[event.key]) { location.assign(PLACES[event.key]); }
  });
  on("click", (event) => {
    const hits = $("#hits");
    if (hits && !event.target.closest(".search")) hits.replaceChildren();
  });

  // --- on a narrow screen the navigation is one line: where somebody is stands in the middle of it, and the page does not move ---
  const here = $(".nav [aria-current]");
  if (here) {
    const nav = here.parentElement, middle = (box) => (box.left + box.right) / 2;
    nav.scrollLeft += middle(here.getBoundingClientRect()) - middle(nav.getBoundingClientRect());
  }

  // --- a page that waits for the server comes back by itself ------------------------------------------------------------
  const waiting = $("[data-wait]");
  if (waiting) {
    setInterval(async () => {
      try { if ((await fetch("/readyz")).ok) location.assign(waiting.dataset.wait); } catch { /* still away */ }
    }, 3000);
  }

  document.documentElement.classList.add("js");
  document.querySelectorAll("[data-confirm]").forEach(guard);
  count();
})();
