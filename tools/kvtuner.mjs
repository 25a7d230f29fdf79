// Runs this checkout's command line, rebuilt if a source has changed:  npm run -s kvtuner -- ARGS
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { prepare } from "./prepare.mjs";
import { root } from "./workspace.mjs";

await prepare();

// npm runs scripts at the root, but paths in ARGS are relative to the user's folder.
if (process.env.npm_lifecycle_event === "kvtuner") process.chdir(process.env.INIT_CWD ?? root);

// In this process, so that signals, exit code and streams are the program's own.
const program = join(root, "apps/kvtuner/dist/cli.js");
process.argv[1] = program;
await import(pathToFileURL(program).href);
