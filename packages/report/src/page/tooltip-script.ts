import { TIP_SEPARATOR } from "../chart/chart.ts";

/**
 * The page's only script. Shows a mark's accessible name beside the pointer; if no mark is under the pointer, that of the
 * nearest within a finger's breadth. It is text, so bundlers cannot change it.
 */
export const TOOLTIP_SCRIPT: string = `"use strict";
(() => {
  const REACH = 18;
  const tip = document.getElementById("tip");
  const MARK = "[role=graphics-symbol][aria-label]";
  const distance = (box, x, y) =>
    Math.hypot(Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
  const nearest = (chart, x, y) => {
    let best = null;
    let reach = REACH;
    for (const mark of chart.querySelectorAll(MARK)) {
      const away = distance(mark.getBoundingClientRect(), x, y);
      if (away < reach) [best, reach] = [mark, away];
    }
    return best;
  };
  const place = (x, y) => {
    const { width, height } = tip.getBoundingClientRect();
    const left = x + 14 + width > innerWidth ? x - 14 - width : x + 14;
    const top = y + 14 + height > innerHeight ? y - 14 - height : y + 14;
    tip.style.left = Math.max(8, Math.min(left, innerWidth - width - 8)) + "px";
    tip.style.top = Math.max(8, top) + "px";
  };
  const hide = () => {
    tip.hidden = true;
  };
  const show = (event) => {
    const chart = event.target.closest && event.target.closest("figure svg");
    const mark = chart && (event.target.closest(MARK) || nearest(chart, event.clientX, event.clientY));
    if (!mark) return hide();
    const lines = mark.getAttribute("aria-label").split(${JSON.stringify(TIP_SEPARATOR)});
    tip.replaceChildren(
      ...lines.map((line) => {
        const row = document.createElement("div");
        row.textContent = line;
        return row;
      }),
    );
    tip.hidden = false;
    place(event.clientX, event.clientY);
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("pointerleave", hide);
  document.addEventListener("scroll", hide, { passive: true });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
})();
`;
