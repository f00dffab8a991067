"use strict";
(() => {
  // Without this script the page loses only the enlarged view.
  const box = document.querySelector("dialog.zoom");
  const stage = box.querySelector("div");
  const text = box.querySelector("p");

  const enlarge = (pair) => {
    const name = pair.querySelector(".name");
    stage.replaceChildren(...[...pair.querySelectorAll("img")].map((img) => {
      const figure = document.createElement("figure");
      const copy = img.cloneNode();
      const label = document.createElement("figcaption");
      label.textContent = img.dataset.label;
      figure.append(label, copy);
      return figure;
    }));
    const place = name.dataset.place ? `Rank ${name.dataset.place}` : "";
    const facts = [name.textContent, name.dataset.caption, place, name.dataset.values];
    text.textContent = facts.filter(Boolean).join(" · ");
    box.showModal();
  };

  for (const pair of document.querySelectorAll(".pair")) {
    const button = document.createElement("button");
    button.className = "enlarge";
    button.setAttribute("aria-label", `Enlarge ${pair.querySelector(".name").textContent}`);
    button.addEventListener("click", () => enlarge(pair));
    pair.append(button);
  }
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });

  // Paper cannot be unfolded.
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const part of folded) part.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const part of folded) part.open = false;
  });
})();
