// The SSE extension looks for a global `htmx`; modules run in the order of their imports, so this one comes first.
import htmx from "htmx.org/dist/htmx.esm.js";

globalThis.htmx = htmx;
// No attribute may carry code: the content security policy forbids it anyway, and a violation is a console error.
htmx.config.allowEval = false;
