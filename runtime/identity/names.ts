/** Names of members and the spaces that issuers may name in. */
const LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const NAME = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const NAME_MAX = 253;

/** Lower-case DNS labels joined by dots (RFC 1123 §2.1), 1 to 63 characters each, 253 together. */
export const isName = (text: string): boolean => text.length <= NAME_MAX && NAME.test(text);

/** A role or another word of a certificate: one label. */
export const isWord = (text: string): boolean => isName(text) && !text.includes(".");

/** A name space is a name, or empty: the whole mesh. */
export const isNameSpace = (text: string): boolean => text === "" || isName(text);

/** Whether an issuer for `space` may give `name`: `site1` names `x.site1`, never `site1` itself. */
export const isNameIn = (name: string, space: string): boolean =>
  isName(name) && (space === "" || name.endsWith(`.${space}`));

export const isSpaceIn = (inner: string, outer: string): boolean =>
  isNameSpace(inner) && (inner === outer || (inner !== "" && isNameIn(inner, outer)));
