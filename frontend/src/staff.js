import "./htmx-global.js";
import "htmx.org/dist/ext/hx-sse.js";
import "./console.js";
