"use strict";
(() => {
  // A viewer is put together when its part is unfolded, and dropped when it is folded again.
  const pieces = JSON.parse(document.getElementById("pieces").textContent);
  for (const details of document.querySelectorAll("details.explore")) {
    const frame = details.querySelector("iframe");
    const fill = () => {
      const names = details.open ? frame.dataset.pieces.split(" ") : [];
      frame.srcdoc = names.map((name) => pieces[name]).join("");
    };
    details.addEventListener("toggle", fill);
    if (details.open) fill();
  }
})();
