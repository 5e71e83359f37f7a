import { version } from "../../package.json";

/** The release this is. */
export const VERSION: string = version;
