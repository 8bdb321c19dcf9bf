// What HTML and HTMX cannot do alone: theme, shortcuts, copying, dialogs, toasts, and polls that do not disturb.
// Every page works without this script. All listeners of `htmx:` events are in this file.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (event, act) => document.addEventListener(event, act);
  const dialog = () => $("#dialog");
  const root = document.documentElement.dataset.root; // the path below which a proxy shows the pages, or ""
  const isInput = (target) => target.closest("input, textarea, select, [contenteditable]");

  // --- toasts --------------------------------------------------------------------------------------------------------
  const TOAST_MS = 10_000;
  const expire = (toast) => {
    if (toast.matches(".wrong")) return; // errors stay until somebody closes them
    let timer;
    const start = () => {
      clearTimeout(timer);
      timer = setTimeout(() => toast.remove(), TOAST_MS);
    };
    const stop = () => clearTimeout(timer);
    toast.addEventListener("pointerenter", stop);
    toast.addEventListener("pointerleave", start);
    toast.addEventListener("focusin", stop);
    toast.addEventListener("focusout", start);
    start();
  };
  const toast = (text, retry, link) => {
    $$("#toasts .toast").filter((each) => each.dataset.text === text).forEach((each) => each.remove());
    const box = document.createElement("div");
    box.className = retry ? "toast wrong" : "toast";
    box.dataset.text = text;
    const words = document.createElement("span");
    words.textContent = text;
    box.append(words);
    if (link) {
      const a = document.createElement("a");
      a.className = "link";
      a.href = link.address;
      a.textContent = link.label;
      box.append(a);
    }
    if (retry) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "link";
      button.textContent = "Retry";
      button.addEventListener("click", () => {
        box.remove();
        retry();
      });
      box.append(button);
    }
    box.append($("#dismiss").content.cloneNode(true));
    $("#toasts").append(box);
    expire(box);
  };
  on("toast", ({ detail }) => toast(detail.text, undefined, detail.link));
  on("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id === "toasts") $$(".toast", event.detail.target).forEach(expire);
  });

  on("htmx:afterRequest", (event) => {
    const box = event.detail.elt.closest(".toast");
    if (box && event.detail.successful) box.remove(); // Undo shows a toast of its own
  });

  // --- errors: the page of a proxy or of a failing server is never swapped in ----------------------------------------
  const retryOf = ({ elt }) => () => {
    if (!elt.isConnected) return location.reload();
    return elt.matches("form") ? elt.requestSubmit() : htmx.trigger(elt, elt.matches("input") ? "search" : "click");
  };
  on("htmx:responseError", (event) => {
    const { xhr, elt } = event.detail;
    if (elt.matches("[data-poll]")) return;
    const id = xhr.getResponseHeader("X-Request-ID");
    toast(`The server returned ${xhr.status}. Nothing is lost.${id ? ` Request ${id}` : ""}`, retryOf(event.detail));
  });
  ["htmx:sendError", "htmx:timeout"].forEach((name) => on(name, (event) => {
    if (!event.detail.elt.matches("[data-poll]")) toast("The server cannot be reached.", retryOf(event.detail));
  }));

  // --- a session that ends while somebody types: this tab keeps the text until the same key signs in again -----------
  const TYPED = "typed";
  const POST_FORMS = "#dialog form[method=post], main form[method=post]";
  const key = $(".frame")?.dataset.key; // the id of the API key that is signed in
  const pathOf = (form) => new URL(form.action).pathname;
  const isChanged = (field) => {
    if (field.options) {
      return field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
    }
    return field.value !== (field.defaultValue ?? field.value) || field.checked !== field.defaultChecked;
  };
  const isTyped = (form) =>
    form.closest("#dialog") || $("[aria-invalid='true']", form) || [...form.elements].some(isChanged);
  const typedForms = () => {
    const stored = JSON.parse(sessionStorage.getItem(TYPED) || "{}");
    return (stored.key === key && stored.forms) || {};
  };
  const keep = (forms, hasText) => sessionStorage.setItem(TYPED, JSON.stringify({ key, forms, hasText }));
  on("htmx:beforeOnLoad", (event) => {
    const { elt, xhr } = event.detail;
    if (xhr.status !== 401) return;
    const typed = $$(POST_FORMS).filter((form) => form === elt || isTyped(form));
    const forms = Object.fromEntries(typed.map((form) => [pathOf(form), [...new FormData(form)]]));
    keep({ ...typedForms(), ...forms }, typed.some(isTyped)); // a button that was pressed is a form without text
    const form = typed.find((each) => each.closest("#dialog")) || typed[0];
    if (!form || typed.includes(elt)) return; // the response already leads to the submitted form
    event.preventDefault();
    const path = pathOf(form);
    const address = new URL(xhr.getResponseHeader("HX-Redirect"), location);
    address.searchParams.set("next", path === location.pathname ? path + location.search : path);
    location.assign(address);
  });
  const restore = (form) => {
    const { [pathOf(form)]: fields, ...others } = typedForms();
    if (!fields) return;
    keep(others);
    for (const [name, value] of fields) {
      const field = $(`[name="${CSS.escape(name)}"]`, form);
      if (field?.type === "checkbox") field.checked = true;
      else if (field && field.type !== "file") field.value = value; // a file is chosen again
    }
  };
  const restoreAll = () => $$(POST_FORMS).forEach(restore);
  if (key && !Object.keys(typedForms()).length) sessionStorage.removeItem(TYPED); // another key's, or none
  $$("[data-typed]").forEach((words) => { // on the page to sign in, which knows no key yet
    words.hidden = !JSON.parse(sessionStorage.getItem(TYPED) || "{}").hasText;
  });
  on("submit", (event) => {
    if (event.target.matches("[data-sign-out]")) sessionStorage.removeItem(TYPED);
  });
  on("htmx:afterSettle", restoreAll);
  restoreAll();

  // --- addresses: no empty filters, and the same filter again is no new entry of the history -------------------------
  on("htmx:configRequest", (event) => {
    const { verb, formData } = event.detail;
    if (verb !== "get") return;
    const filled = [...formData].filter(([, value]) => value !== "");
    [...formData.keys()].forEach((name) => formData.delete(name));
    filled.forEach(([name, value]) => formData.append(name, value)); // a name may have several values
  });
  const asOne = (address) => {
    const { pathname, searchParams } = new URL(address, location);
    return [pathname, searchParams].join("?");
  };
  on("htmx:beforeHistoryUpdate", (event) => {
    const { history } = event.detail;
    if (history.type === "push" && asOne(history.path) === asOne(location.href)) history.type = "replace";
  });
  on("submit", (event) => { // of a form that HTMX does not send
    if (event.target.method !== "get" || event.target.matches("[hx-get]")) return;
    $$("input, select", event.target).filter((field) => !field.value).forEach((field) => {
      field.disabled = true;
      setTimeout(() => {
        field.disabled = false;
      });
    });
  });

  // Going back to a deleted page, or while the server is down: the browser shows what is there now.
  on("htmx:historyCacheMissLoadError", () => location.reload());

  // --- dialogs: each form in the dialog is also a page of its own ----------------------------------------------------
  const FIELD = "input:not([type=hidden], [type=checkbox], [type=radio], [readonly]), textarea, select";
  const focusFirst = () => {
    const fields = $$(FIELD, $("#dialog-body")).filter((field) => !field.disabled && field.checkVisibility());
    const first = $("[data-first]", $("#dialog-body")) || fields.find((field) => !field.value) || fields[0]
      || $("footer .button", $("#dialog-body"));
    first?.focus();
  };
  on("htmx:afterSwap", (event) => {
    if (event.detail.target?.id === "dialog-body" && !dialog().open) {
      dialog().showModal();
      dialog().append($("#toasts")); // everything else is inert now, and a toast may have Retry
      focusFirst();
    }
  });
  on("htmx:afterSettle", (event) => {
    const { elt } = event.detail;
    const invalid = $("[aria-invalid='true']", elt);
    const hasFocus = document.activeElement.matches("[aria-invalid='true']");
    if (invalid && elt.matches("form, main, .stack") && !hasFocus) invalid.focus();
    $$("[data-confirm]").forEach(guard);
    count();
  });
  const empty = () => { // a new key must not stay in the page
    $("#dialog-body").replaceChildren();
    document.body.append($("#toasts"));
  };
  const close = () => {
    dialog().close();
    empty(); // the `close` event fires later
  };
  const onClose = (event) => {
    if (event.target === dialog() && !dialog().open) empty();
  };
  document.addEventListener("close", onClose, true);
  on("close-dialog", () => dialog().close()); // the swap still needs the form
  let pointerTarget;
  on("pointerdown", (event) => {
    pointerTarget = event.target;
  });
  on("click", (event) => {
    if (event.target.closest("#dialog [data-close]")) {
      event.preventDefault();
      close();
    }
    if (event.target === dialog() && pointerTarget === dialog()) close(); // not where a selection of text ends
    if (event.target.closest("[data-dismiss]")) event.target.closest(".toast").remove();
  });

  // --- copy ----------------------------------------------------------------------------------------------------------
  const copy = async (text) => {
    try {
      return await navigator.clipboard.writeText(text);
    } catch { /* refused, or missing without https */ }
    const area = document.createElement("textarea");
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
    await copy(from === "address" ? location.href : from ? $(from).textContent : button.dataset.copy);
    toast("Copied.");
  });

  // --- theme: the server reads the cookie, so that no page flashes in the other theme --------------------------------
  on("submit", (event) => {
    if (!event.target.matches("[data-theme-switch]")) return;
    event.preventDefault();
    const { dataset } = document.documentElement;
    const current = dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    dataset.theme = current === "dark" ? "light" : "dark";
    document.cookie = `theme=${dataset.theme}; path=${root || "/"}; max-age=31536000; samesite=lax`;
  });

  // --- the button that shows a key, and the name that has to be typed ------------------------------------------------
  on("click", (event) => {
    const button = event.target.closest("[data-reveal]");
    if (!button) return;
    const field = $(button.dataset.reveal);
    field.type = field.type === "password" ? "text" : "password";
    button.setAttribute("aria-pressed", String(field.type === "text"));
  });
  const guard = (field) => {
    $("[type=submit]", field.form).disabled = field.value.trim() !== field.dataset.confirm.trim();
  };
  on("input", (event) => {
    if (event.target.matches("[data-confirm]")) guard(event.target);
  });

  // --- a digest that no container registry accepts is told before it is sent; it can be sent all the same ------------
  on("input", ({ target }) => {
    if (!target.matches("input[name=digest]")) return;
    const hex = target.value.trim().replace(/^sha256:/, "");
    const isHex = /^[0-9a-f]+$/.test(hex);
    const isRight = target.value.trim().startsWith("sha256:") && isHex && hex.length === 64;
    const text = !hex || isRight ? "" : !isHex || hex === target.value.trim()
      ? "A digest is sha256: and 64 hex digits. No container registry accepts this one."
      : `These are ${hex.length} hex digits, not 64. No container registry accepts this digest.`;
    let warning = $("[data-digest]", target.parentElement);
    if (!warning) {
      warning = Object.assign(document.createElement("span"), { className: "warn small", role: "status" });
      warning.dataset.digest = "";
      target.after(warning);
    }
    warning.textContent = text;
  });

  // --- compare: the number of ticked versions ------------------------------------------------------------------------
  const count = () => {
    const button = $("#compare-button");
    if (!button) return;
    const ticked = $$("input[name=v][form=compare]:checked").length;
    button.textContent = `Compare ${ticked}`;
    button.disabled = ticked < 2 || ticked > 6;
  };
  on("change", (event) => {
    if (event.target.matches("input[name=v]")) count();
  });

  // --- shortcuts -----------------------------------------------------------------------------------------------------
  const PAGES = {
    o: "/",
    m: "/models",
    v: "/versions",
    d: "/deployments",
    e: "/environments",
    t: "/gates",
    i: "/inbox",
    a: "/audit",
    k: "/keys",
    p: "/people",
  };
  let pressedG = 0;
  const moveInResults = (step) => {
    const links = $$("#hits a");
    if (!links.length) return false;
    const index = links.indexOf(document.activeElement) + step;
    (index < 0 ? $("#search") : links[Math.min(index, links.length - 1)]).focus();
    return true;
  };
  const closeSearch = (event) => {
    event.preventDefault(); // otherwise the browser empties the field, which searches again and reopens the results
    htmx.trigger($("#search"), "htmx:abort");
    $("#hits").replaceChildren();
    $("#search").blur();
  };
  on("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const inSearch = event.target.closest(".search");
    if (inSearch && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      if (moveInResults(event.key === "ArrowDown" ? 1 : -1)) event.preventDefault();
      return;
    }
    if (inSearch && event.key === "Escape") {
      closeSearch(event);
      return;
    }
    if (isInput(event.target) || dialog().open) return;
    if (event.key === "/" && $("#search")) {
      event.preventDefault();
      $("#search").focus();
    } else if (event.key === "?") {
      $("#help")?.showModal();
    } else if (event.key === "g") {
      pressedG = Date.now();
    } else if (Date.now() - pressedG < 1500 && PAGES[event.key]) {
      location.assign(root + PAGES[event.key]);
    }
  });
  on("click", (event) => {
    const hits = $("#hits");
    if (hits && !event.target.closest(".search")) hits.replaceChildren();
  });

  // --- an error page that waits for the server reloads by itself -----------------------------------------------------
  const waiting = $("[data-wait]");
  if (waiting) {
    setInterval(async () => {
      try {
        if ((await fetch(`${root}/readyz`)).ok) location.assign(waiting.dataset.wait);
      } catch { /* still down */ }
    }, 3000);
  }

  window.catapult = { $, $$, on, dialog, isTyped }; // for the scripts after this one
  document.documentElement.classList.add("js");
  $$("[data-confirm]").forEach(guard);
  count();
})();

// The shell: Ctrl-K, the bar while somebody waits, and the count in the title.
(() => {
  "use strict";
  const SHOWN_AFTER_MS = 150;
  const ends = new Map(); // of each request: what hides that it is waited for
  const on = (event, act) => document.addEventListener(event, act);
  on("htmx:beforeSend", (event) => {
    const { elt, target, xhr } = event.detail;
    if (elt.matches("[data-poll], [data-upload]")) return; // an upload has a bar of its own, and hides nothing
    const timer = setTimeout(() => {
      document.documentElement.classList.add("waiting");
      target.setAttribute("aria-busy", "true");
    }, SHOWN_AFTER_MS);
    ends.set(xhr, () => {
      clearTimeout(timer);
      target.removeAttribute("aria-busy");
    });
  });
  on("htmx:afterRequest", (event) => {
    ends.get(event.detail.xhr)?.();
    ends.delete(event.detail.xhr);
    if (!ends.size) document.documentElement.classList.remove("waiting");
  });

  on("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id !== "inbox-count") return;
    const count = document.getElementById("inbox-count").textContent;
    document.title = (count && `(${count}) `) + document.title.replace(/^\(\d+\) /, "");
  });

  on("keydown", (event) => {
    const search = document.getElementById("search");
    const isCtrlK = event.key === "k" && (event.ctrlKey || event.metaKey);
    if (!isCtrlK || !search || document.querySelector("dialog[open]")) return;
    event.preventDefault(); // in the browser it goes to the field for addresses
    search.select();
    search.focus();
  });
})();
