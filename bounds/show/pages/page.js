(() => {
  "use strict";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const colours = (night) => ({
    background: "transparent",
    view: { stroke: "transparent" },
    axis: {
      labelColor: night ? "#d6dbe3" : "#2b3440", titleColor: night ? "#d6dbe3" : "#2b3440",
      gridColor: night ? "#36404e" : "#e3e7ec", domainColor: night ? "#8c98a8" : "#8793a3",
      tickColor: night ? "#8c98a8" : "#8793a3", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal",
      labelLimit: 190,
    },
    legend: { labelColor: night ? "#d6dbe3" : "#2b3440", labelFontSize: 12, columns: 2 },
    rule: { color: night ? "#ffffff" : "#1b222b" },
  });
  const places = [...document.querySelectorAll("[data-chart]")];
  const draw = async (night) => {
    for (const place of places) {
      const text = document.getElementById(place.dataset.chart).textContent;
      const options = { actions: false, renderer: "svg", ast: true, config: colours(night) };
      const view = await window.vegaEmbed(place, JSON.parse(text), options);
      place.vegaView = view.view;
      for (const svg of place.querySelectorAll("svg")) svg.setAttribute("aria-hidden", "true");
    }
    document.documentElement.dataset.drawn = night ? "dark" : "light";
  };
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
      target.querySelector("summary").focus();
    }
  };
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
  window.addEventListener("hashchange", open);
  dark.addEventListener("change", (event) => draw(event.matches));
  draw(dark.matches).then(open);
})();
