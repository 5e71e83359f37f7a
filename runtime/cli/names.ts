/** The names and roles that people give on the command line. */
import type { Parser } from "../config/parsers.ts";
import { ROLES_MAX } from "../identity/certificate.ts";
import { isName, isWord } from "../identity/names.ts";
import { option } from "./command.ts";

export const memberName: Parser<string> = {
  expects: "a name of lower-case letters, digits and hyphens, such as gw-7 or gw-7.site1",
  sign: "NAME",
  parse: (given) => (typeof given === "string" && isName(given) ? { value: given } : undefined),
};

/** Each once. */
export const roleWords: Parser<readonly string[]> = {
  expects: `roles with commas between, at most ${ROLES_MAX}, each of lower-case letters, digits and hyphens, such as sensor`,
  sign: "ROLE",
  parse(given) {
    const roles = typeof given === "string" ? [...new Set(given.split(","))] : [];
    return roles.length > 0 && roles.length <= ROLES_MAX && roles.every(isWord) ? { value: roles } : undefined;
  },
};

export const nameOption = option({
  key: "name",
  fallback: "",
  unit: "",
  doc: "this gateway's name in the mesh",
  required: true,
  parse: memberName,
});
