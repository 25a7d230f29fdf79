// Installs, builds and runs all tests:  npm test [-- arguments of vitest]
import { prepare } from "./prepare.mjs";
import { installed, run } from "./workspace.mjs";

await prepare();
const { code } = await run(installed("vitest/vitest.mjs", "run", ...process.argv.slice(2)));
process.exitCode = code;
