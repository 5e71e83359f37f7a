/** The names that people give on the command line. */
import type { Parser } from "../config/parsers.ts";
import { isName } from "../identity/names.ts";
import { option } from "./command.ts";

export const memberName: Parser<string> = {
  expects: "a name of lower-case letters, digits and hyphens, such as gw-7 or gw-7.site1",
  sign: "NAME",
  parse: (given) => (typeof given === "string" && isName(given) ? { value: given } : undefined),
};

export const nameOption = option({
  key: "name",
  fallback: "",
  unit: "",
  doc: "this gateway's name in the mesh",
  required: true,
  parse: memberName,
});
