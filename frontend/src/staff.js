import "./htmx-global.js";
import "htmx.org/dist/ext/hx-sse.js";
import "./pulse.js";
import "./queue.js";
import "./keys.js";
import { drawCharts } from "./charts.js";

const drawIn = (root) => drawCharts(root);
document.addEventListener("htmx:after:swap", () => drawIn(document));
drawIn(document);
