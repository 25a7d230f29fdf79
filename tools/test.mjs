// Installs, builds and runs all tests:  npm test [-- what vitest understands]
import { bootstrap } from "./bootstrap.mjs";
import { build } from "./build.mjs";
import { installed, run } from "./workspace.mjs";

await bootstrap();
await build();
const { code } = await run(installed("vitest/vitest.mjs", "run", ...process.argv.slice(2)));
process.exitCode = code;
