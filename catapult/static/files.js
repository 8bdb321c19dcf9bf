// Files: how much of an upload was sent, and where the focus goes in the folders of the mount.
(() => {
  "use strict";
  const { $, on } = window.catapult;
  const FORM = "[data-upload]";
  const MB = 1e6;
  on("htmx:xhr:progress", ({ target, detail }) => {
    if (!target.matches(FORM) || !detail.lengthComputable || !target.matches(".htmx-request")) return;
    const [box, bar] = [$(".sent", target), $("progress", target)];
    box.hidden = false;
    bar.value = detail.loaded / detail.total;
    const [sent, all] = [detail.loaded, detail.total].map((bytes) => (bytes / MB).toFixed(1));
    const isSent = detail.loaded === detail.total;
    $("[data-sent]", box).textContent = isSent ? "Sent. It is being stored." : `${sent} of ${all} MB`;
  });
  on("htmx:afterRequest", ({ detail: { elt, xhr } }) => {
    if (!elt.matches(FORM)) return;
    $(".sent", elt).hidden = true;
    if (xhr.status !== 200) return; // the file that was chosen is kept
    elt.reset();
    htmx.trigger($("#updated"), "refresh"); // approvals and activity
  });
  on("htmx:afterSettle", ({ detail: { elt } }) => {
    if (document.activeElement === document.body) $("[data-first]", elt.parentElement)?.focus();
  });
})();
