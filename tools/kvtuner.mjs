// Runs the command line of this checkout, built anew when a source has changed:  npm run -s kvtuner -- ARGS
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { prepare } from "./prepare.mjs";
import { root } from "./workspace.mjs";

await prepare();

// npm runs scripts at the root; paths in ARGS are meant from where the user stands.
if (process.env.npm_lifecycle_event === "kvtuner") process.chdir(process.env.INIT_CWD ?? root);

// In this process, so that signals, exit code and streams are those of the program itself.
const program = join(root, "apps/kvtuner/dist/cli.js");
process.argv[1] = program;
await import(pathToFileURL(program).href);
