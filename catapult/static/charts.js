// The card of a chart's point, under the pointer and the keyboard's focus. Its lines are those of the point's name.
(() => {
  "use strict";
  const { $, on } = window.catapult;
  const GAP = 14;
  const POINT = ".chart .plot a";
  const hide = () => $(".point-card")?.remove();
  const show = (point) => {
    hide();
    $("title", point)?.remove(); // the browser's own card would cover this one
    const card = document.createElement("div");
    card.className = "point-card";
    card.setAttribute("aria-hidden", "true"); // the name of the point says the same
    const [first, ...lines] = point.getAttribute("aria-label").split(", ");
    for (const text of [first, ...lines]) {
      const line = document.createElement("p");
      line.textContent = text;
      line.className = text.includes("(better)") ? "ok" : text.includes("(worse)") ? "bad" : "";
      card.append(line);
    }
    const chart = point.closest(".chart");
    chart.append(card);
    const [box, at] = [chart.getBoundingClientRect(), $(".point", point).getBoundingClientRect()];
    const [x, y] = [at.x + at.width / 2 - box.x, at.y + at.height / 2 - box.y];
    const left = Math.min(x - card.offsetWidth / 2, box.width - card.offsetWidth);
    card.style.left = `${Math.max(0, left)}px`;
    card.style.top = `${y > box.height / 2 ? y - GAP - card.offsetHeight : y + GAP}px`;
  };
  const enter = ({ target }) => target.closest?.(POINT) && show(target.closest(POINT));
  const leave = ({ target, relatedTarget }) => {
    if (target.closest?.(`${POINT}, .point-card`) && !relatedTarget?.closest?.(".point-card")) hide();
  };
  on("pointerover", enter);
  on("focusin", enter);
  on("pointerout", leave);
  on("focusout", leave);
  on("keydown", (event) => event.key === "Escape" && hide());
})();
