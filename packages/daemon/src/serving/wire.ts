/** What both ends of docs/design/protocol.md agree on. */

/** Raised when a request or an answer changes so that an older end would misread it. */
export const REMOTE_PROTOCOL = "1";
export const REMOTE_PROTOCOL_HEADER = "smc-remote";
export const BYTES_TYPE = "application/octet-stream";
export const MISSING_DIGESTS_MAX = 65_536;
export const LOCATE_DIGESTS_MAX = 4_096;
export const UPDATE_BYTES_MAX = 1024 * 1024;
export const HEADER_BYTES_MAX = 16 * 1024;
