"use strict";
(() => {
  const tip = document.getElementById("tip");
  const points = [...document.querySelectorAll(".point[data-point]")];
  const buses = [...document.querySelectorAll(".bus[data-bus]")];
  const view = document.getElementById("view");
  const told = document.getElementById("voltages");
  const voltages = told && JSON.parse(told.textContent);

  function show(target) {
    const owner = target.closest && target.closest("[data-tip]");
    tip.hidden = !owner;
    if (!owner) return;
    tip.textContent = owner.dataset.tip;
    const box = owner.getBoundingClientRect();
    const left = Math.min(box.left + box.width / 2 + 10, innerWidth - tip.offsetWidth - 8);
    const above = box.top - tip.offsetHeight - 8;
    tip.style.left = Math.max(4, left) + "px";
    tip.style.top = (above > 4 ? above : box.bottom + 8) + "px";
  }

  function colour(name) {
    const values = voltages && voltages.views[name];
    if (!values) return;
    const inner = voltages.edges.slice(1, -1);
    buses.forEach((bus, k) => {
      bus.setAttribute("class", "bus v" + inner.filter((edge) => edge <= values[k]).length);
      bus.dataset.tip = "bus " + bus.dataset.bus + ": lowest voltage " + values[k].toFixed(4) + " pu";
    });
    if (view) view.value = name;
  }

  function choose(point) {
    for (const other of points) {
      const on = other === point;
      other.setAttribute("aria-pressed", String(on));
      const day = document.getElementById("point-" + other.dataset.point);
      if (day) day.hidden = !on;
    }
    colour("point " + point.dataset.point);
  }

  for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, (event) => show(event.target));
  for (const kind of ["mouseout", "focusout"]) document.addEventListener(kind, () => { tip.hidden = true; });
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });
  points.forEach((point, k) => {
    point.addEventListener("click", () => choose(point));
    point.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (step === undefined && event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      if (step === undefined) choose(point);
      else points[Math.min(points.length - 1, Math.max(0, k + step))].focus();
    });
  });
  if (view) view.addEventListener("change", () => colour(view.value));
})();
