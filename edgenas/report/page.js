"use strict";
// The page is complete without this: it shows the title of a mark at the pointer, marks a trial in
// charts and tables together, and opens everything before printing.
(() => {
  const tip = document.getElementById("tip");
  const marks = document.querySelectorAll("[data-trial]");
  for (const mark of marks) {
    const title = mark.querySelector(":scope > title");
    if (title) {
      mark.dataset.tip = title.textContent;
      title.remove();
      mark.setAttribute("aria-label", mark.dataset.tip);
    }
  }
  const light = (trial) => {
    for (const mark of marks) mark.classList.toggle("lit", trial !== null && mark.dataset.trial === trial);
  };
  document.addEventListener("pointermove", (event) => {
    const mark = event.target.closest ? event.target.closest("[data-trial]") : null;
    light(mark ? mark.dataset.trial : null);
    tip.hidden = !(mark && mark.dataset.tip);
    if (tip.hidden) return;
    tip.textContent = mark.dataset.tip;
    const left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${Math.max(8, event.clientY - tip.offsetHeight - 12)}px`;
  });
  window.addEventListener("beforeprint", () => {
    for (const closed of document.querySelectorAll("details:not([open])")) closed.open = true;
  });
})();
