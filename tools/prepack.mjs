// Runs in a package's folder before it is packed or published, and rejects a build without declarations.
import { readFileSync } from "node:fs";
import { missingDeclarations } from "./declarations.mjs";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const missing = missingDeclarations(".", manifest);
if (missing.length > 0) {
  console.error(
    `${manifest.name}: expected a build with declarations, but ${missing.join(", ")} is missing (a checkout's quick build has none); run \`npm run build\` in the checkout, then pack again`,
  );
  process.exitCode = 1;
}
