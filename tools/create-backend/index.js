// Starts a backend of your own:  node tools/create-backend NAME [DIR]
import { argv } from "node:process";
import { createBackendPackage, CreateBackendError } from "./create-backend.mjs";

const [name, folder = `kvtuner-backend-${name}`] = argv.slice(2);

try {
  createBackendPackage(name, folder);
  console.log(`A backend that works is in ${folder}. Next: cd ${folder} && npm install && npm test`);
} catch (error) {
  if (!(error instanceof CreateBackendError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
