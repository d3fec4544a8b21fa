// The one bridge to Plotly. The server builds each figure and leaves it as JSON beside an empty
// <div data-figure="id of the JSON">; here it gets the theme's colours and is drawn.
// Colours in the JSON are written var(--token). Plotly itself (1.5 MB) is fetched only by pages that have figures.
// Every label was escaped on the server, because Plotly reads <b> and <a href> in text.
"use strict";

(() => {
  const bundle = document.currentScript.dataset.plotly;
  const drawn = new WeakMap(); // canvas → the JSON text it shows
  let library = null;

  function loadLibrary() {
    library ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = bundle;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error("the drawing library did not load"));
      document.head.append(script);
    });
    return library;
  }

  // Tokens are oklch() inside light-dark(); a canvas turns them into numbers any library reads.
  function makeResolver() {
    const probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const known = new Map();
    return {
      font: getComputedStyle(document.body).fontFamily,
      resolve(value) {
        if (!known.has(value)) {
          probe.style.color = value;
          pen.clearRect(0, 0, 1, 1);
          pen.fillStyle = getComputedStyle(probe).color;
          pen.fillRect(0, 0, 1, 1);
          const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data;
          known.set(value, `rgba(${red},${green},${blue},${alpha / 255})`);
        }
        return known.get(value);
      },
      close() {
        probe.remove();
      },
    };
  }

  function withColours(value, theme) {
    if (typeof value === "string") return value.startsWith("var(--") ? theme.resolve(value) : value;
    if (Array.isArray(value)) return value.map((item) => withColours(item, theme));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withColours(item, theme)]));
    }
    return value;
  }

  // What every figure shares; a figure's own layout wins.
  function baseLayout(theme) {
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: theme.font, size: 12, color: theme.resolve("var(--ink-2)") },
      colorway: ["var(--ink)", "var(--ink-3)", "var(--accent)"].map(theme.resolve),
      hoverlabel: {
        bgcolor: theme.resolve("var(--paper-2)"),
        bordercolor: theme.resolve("var(--hair)"),
        font: { family: theme.font, size: 12, color: theme.resolve("var(--ink)") },
      },
      showlegend: false,
      transition: { duration: 0 },
    };
  }

  function draw(Plotly, canvas, theme) {
    const source = document.getElementById(canvas.dataset.figure);
    const figure = withColours(JSON.parse(source.textContent), theme);
    const layout = { ...baseLayout(theme), ...figure.layout };
    layout.font = { ...baseLayout(theme).font, ...figure.layout?.font };
    Plotly.purge(canvas);
    canvas.replaceChildren();
    const options = { displayModeBar: false, displaylogo: false, responsive: true, ...figure.config };
    drawn.set(canvas, source.textContent);
    return Plotly.newPlot(canvas, figure.data, layout, options);
  }

  async function drawAll({ again }) {
    const canvases = [...document.querySelectorAll("[data-figure]")].filter((canvas) => {
      const source = document.getElementById(canvas.dataset.figure);
      return source && (again || !canvas.hasChildNodes() || drawn.get(canvas) !== source.textContent);
    });
    if (!canvases.length) return;
    const Plotly = await loadLibrary();
    const theme = makeResolver();
    for (const canvas of canvases) await draw(Plotly, canvas, theme);
    theme.close();
    document.documentElement.dataset.figures = "drawn"; // what tests and screenshots wait for
  }

  drawAll({ again: false });
  document.addEventListener("htmx:after:swap", () => drawAll({ again: false }));
  document.addEventListener("suitewatch:theme", () => drawAll({ again: true }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll({ again: true }));
})();
