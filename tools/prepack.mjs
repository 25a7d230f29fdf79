// Before a package is packed or published, in its folder: refuses a build without declarations.
import { readFileSync } from "node:fs";
import { missingDeclarations } from "./declarations.mjs";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const missing = missingDeclarations(".", manifest);
if (missing.length > 0) {
  console.error(
    `${manifest.name}: expected a build with declarations to pack, but ${missing.join(", ")} is missing, as after the quick build of a checkout; run \`npm run build\` in the checkout, then pack again`,
  );
  process.exitCode = 1;
}
