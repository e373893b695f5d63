// Draws what `{% chart %}` put on the page with the Chart.js that unfold ships, follows the light and dark theme, and
// carries charts over when htmx swaps a polled part. Also: copy buttons, logs that stay at their end, and a question
// before what can't be taken back.
"use strict";

(() => {
  const charts = new Map(); // id of the figure -> Chart
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const language = () => document.documentElement.lang || undefined;

  function formatter(unit, short) {
    const options = short ? { notation: "compact", maximumSignificantDigits: 3 } : { maximumSignificantDigits: 6 };
    if (/^[A-Z]{3}$/.test(unit)) Object.assign(options, { style: "currency", currency: unit }, short ? {} : { maximumSignificantDigits: undefined });
    if (unit === "percent") Object.assign(options, { style: "percent", notation: "standard", maximumSignificantDigits: short ? 3 : 4 });
    const format = new Intl.NumberFormat(language(), options);
    return (value) => (value === null || value === undefined ? "–" : format.format(value));
  }

  function points(values, series, labels) {
    if (!series.x) return values;
    return values.map((value, i) => ({ x: series.x[i], y: value }));
  }

  function datasets(said) {
    const found = [];
    said.series.forEach((series, i) => {
      const colour = css(`--c-series-${(i % 8) + 1}`);
      const kind = series.kind || said.kind;
      const few = series.values.filter((value) => value !== null).length <= 12; // a lone point has no line
      const lone = series.values.filter((value) => value !== null).length === 1;
      const axis = series.axis === "right" ? "right" : "y";
      if (series.low && series.high && lone && !series.x) { // an area needs two points: one has a bar
        const range = series.low.map((low, i) => (low === null ? null : [low, series.high[i]]));
        found.push({ type: "bar", yAxisID: axis, label: series.label, data: range, backgroundColor: colour + "40", maxBarThickness: 8, grouped: false, band: true });
      } else if (series.low && series.high) {
        const band = { type: "line", yAxisID: axis, borderWidth: 0, pointRadius: 0, backgroundColor: colour + "26", band: true };
        found.push({ ...band, label: series.label, data: points(series.low, series), fill: false });
        found.push({ ...band, label: series.label, data: points(series.high, series), fill: "-1" });
      }
      found.push({
        type: kind, label: series.label, data: points(series.values, series), yAxisID: axis, borderColor: colour,
        backgroundColor: kind === "bar" ? colour + "99" : colour, borderWidth: kind === "bar" ? 0 : 2, borderRadius: 3,
        borderDash: series.dashed ? [5, 4] : [], pointRadius: few ? 3 : 0, pointHitRadius: 8, tension: 0,
        spanGaps: true, maxBarThickness: 28, order: kind === "bar" ? 2 : 1, stack: said.stacked ? "all" : undefined,
      });
    });
    return found;
  }

  function options(said) {
    const ink = css("--c-text"), grid = css("--c-grid");
    const right = said.series.some((series) => series.axis === "right");
    const left = formatter(said.unit, true), other = formatter(said.rightUnit, true);
    const full = { y: formatter(said.unit, false), right: formatter(said.rightUnit, false) };
    const numeric = said.series.some((series) => series.x);
    const scales = {
      x: {
        type: numeric ? "linear" : "category", offset: !numeric, grid: { display: false }, border: { color: grid },
        ticks: { color: ink, maxRotation: 0, autoSkipPadding: 16 },
        title: { display: Boolean(said.xTitle), text: said.xTitle, color: ink },
      },
      y: {
        type: said.log ? "logarithmic" : "linear", beginAtZero: !numeric, stacked: said.stacked,
        grid: { color: grid }, border: { display: false }, ticks: { color: ink, maxTicksLimit: 6, callback: left },
      },
    };
    if (right) {
      scales.right = {
        position: "right", beginAtZero: true, grid: { display: false }, border: { display: false },
        ticks: { color: ink, maxTicksLimit: 6, callback: other },
      };
    }
    return {
      responsive: true, maintainAspectRatio: false, animation: still.matches ? false : { duration: 250 },
      interaction: { mode: "index", intersect: false, axis: "x" },
      plugins: {
        legend: {
          display: said.legend || said.series.length > 1, position: "top", align: "end",
          labels: { color: ink, boxWidth: 10, boxHeight: 10, usePointStyle: true, pointStyle: "rectRounded", filter: (item, data) => !data.datasets[item.datasetIndex].band },
        },
        tooltip: {
          filter: (item) => !item.dataset.band,
          callbacks: { label: (item) => `${item.dataset.label}: ${full[item.dataset.yAxisID](item.parsed.y)}` },
        },
      },
      scales,
    };
  }

  function read(figure) {
    const data = document.getElementById(`${figure.id}-data`);
    return data ? JSON.parse(data.textContent) : null;
  }

  function draw(figure) {
    const said = read(figure), canvas = figure.querySelector("canvas");
    if (!said || !canvas || !window.Chart) return;
    const known = charts.get(figure.id);
    if (known && known.canvas !== canvas) {
      canvas.replaceWith(known.canvas); // a swapped part: the drawn canvas goes on, without a flicker
      known.data = { labels: said.labels, datasets: datasets(said) };
      known.options = options(said);
      known.resize();
      known.update("none");
      return;
    }
    figure.querySelector(".c-chart-canvas").style.height = `${figure.dataset.height || 260}px`;
    Chart.defaults.font.family = "Inter, sans-serif";
    Chart.defaults.font.size = 12;
    charts.set(figure.id, new Chart(canvas, { data: { labels: said.labels, datasets: datasets(said) }, options: options(said) }));
  }

  function drawAll() {
    document.querySelectorAll(".c-chart").forEach(draw);
    document.querySelectorAll("[data-stick]").forEach((log) => { log.scrollTop = log.scrollHeight; });
  }

  function recolour() {
    for (const [id, chart] of charts) {
      const figure = document.getElementById(id), said = figure && read(figure);
      if (!said) continue;
      chart.data.datasets = datasets(said);
      chart.options = options(said);
      chart.update("none");
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    drawAll();
    new MutationObserver(recolour).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  });
  document.addEventListener("htmx:afterSwap", drawAll);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-ask]");
    if (button && !window.confirm(button.dataset.ask)) event.preventDefault();
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy)); // no clipboard over plain HTTP
    }
    button.classList.add("c-primary");
  });
})();
