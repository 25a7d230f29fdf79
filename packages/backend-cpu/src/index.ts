export { REFERENCE_BACKEND_NAME } from "./reference/name.ts";
