// Makes gateway/web/static/dist: files named by their content, a manifest, compressed siblings, and the licences of what
// was bundled. Called by hatch_build.py; `node build.mjs <out>` works as well.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = import.meta.dirname;
const out = path.resolve(process.argv[2] ?? path.join(here, "../gateway/web/static/dist"));

const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/staff.js", "src/staff.css", "src/customer.css"],
  bundle: true,
  minify: true,
  legalComments: "none",
  format: "iife",
  // The newest parts used: htmx 4 cannot be compiled for older Safari.
  target: ["chrome100", "firefox100", "safari15.4"],
  outdir: out,
  write: false,
  metafile: true,
});

const files = result.outputFiles.map(({ path: name, contents }) => [path.basename(name), Buffer.from(contents)]);
for (const name of await readdir(path.join(here, "src"))) {
  if (name.endsWith(".svg")) files.push([name, await readFile(path.join(here, "src", name))]);
}

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const manifest = {};
for (const [name, bytes] of files) {
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
  const { name: stem, ext } = path.parse(name);
  const file = `${stem}.${hash}${ext}`;
  const integrity = `sha384-${createHash("sha384").update(bytes).digest("base64")}`;
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  const gzip = gzipSync(bytes, { level: 9 });
  await writeFile(path.join(out, file), bytes);
  await writeFile(path.join(out, `${file}.br`), brotli);
  await writeFile(path.join(out, `${file}.gz`), gzip);
  manifest[name] = { file, integrity, bytes: bytes.length, brotli: brotli.length, gzip: gzip.length };
}

const bundled = new Set();
for (const input of Object.keys(result.metafile.inputs)) {
  const found = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found) bundled.add(found[1]);
}
const notices = [];
for (const name of [...bundled].sort()) {
  const folder = path.join(here, "node_modules", name);
  const about = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
  const licence = (await readdir(folder)).find((file) => /^licen[cs]e/i.test(file));
  if (!licence) throw new Error(`${name} ships no licence text`);
  notices.push(`${name} ${about.version} (${about.license})\n\n${await readFile(path.join(folder, licence), "utf8")}`);
}
await writeFile(path.join(out, "THIRD-PARTY-NOTICES.txt"), notices.join(`\n${"-".repeat(80)}\n\n`));
await writeFile(path.join(out, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
