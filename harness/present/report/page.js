"use strict";
(() => {
  const tip = document.getElementById("tip");
  let marked = null;

  // the browser's own tooltips come late and in its own style: each point's title becomes ours when it is first asked for
  const textOf = (point) => {
    const title = point.querySelector("title");
    if (title) {
      point.dataset.tip = title.textContent;
      point.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    return point.dataset.tip;
  };

  const hide = () => {
    tip.hidden = true;
    if (marked) marked.classList.remove("at");
    marked = null;
  };

  const place = () => {
    const at = (marked.querySelector(".dot, .area") || marked).getBoundingClientRect();
    const left = Math.min(Math.max(8, at.left + at.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
    const above = at.top - tip.offsetHeight - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 8 ? above : at.bottom + 8}px`;
  };

  const show = (point) => {
    hide();
    const text = textOf(point);
    if (!text) return;
    marked = point;
    point.classList.add("at");
    tip.textContent = text;
    tip.hidden = false;
    place();
  };

  const pointsOf = (drawing) => [...drawing.querySelectorAll(".point")].filter((point) => point.getClientRects().length);

  const step = (drawing, direction) => {
    const points = pointsOf(drawing);
    if (!points.length) return;
    const now = points.indexOf(marked);
    const next = now < 0 && direction < 0 ? points.length - 1 : now + direction;
    show(points[(next + points.length) % points.length]);
  };

  document.addEventListener("pointerover", (event) => {
    const point = event.target.closest?.(".point");
    if (point && point !== marked) show(point);
    else if (!point) hide();
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", () => marked && place(), { passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const drawing = event.target.closest?.("figure svg");
    const direction = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!drawing || !direction) return;
    event.preventDefault();
    step(drawing, direction);
  });

  // on paper nothing can be unfolded
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const details of folded) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
  });
})();
