#!/usr/bin/env node
// Committed, so that a package manager can link it in a checkout that is not built yet.
import { existsSync } from "node:fs";

const program = new URL("../dist/cli.js", import.meta.url);
if (existsSync(program)) await import(program.href);
else {
  console.error("kvtuner is not built; run `npm run -s kvtuner` at the root of the checkout, which builds it");
  process.exitCode = 1;
}
