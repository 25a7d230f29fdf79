export type { SessionParts } from "./generation/saved-session.ts";
export { readSession, restoreCache, resumeSession, saveSession } from "./generation/saved-session.ts";
export type { SavedSession } from "./generation/session-file.ts";
export { readSessionHead, SavedSessionError } from "./generation/session-file.ts";
