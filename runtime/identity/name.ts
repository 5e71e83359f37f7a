/** Names are DNS labels (RFC 1123 §2.1), so that they can be resolved one day; a delegate's members carry its suffix. */
const DNS_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
export const MESH_NAME = new RegExp(`^${DNS_LABEL}$`);
export const MEMBER_NAME = new RegExp(`^${DNS_LABEL}(?:\\.${DNS_LABEL}){0,3}$`);
export const NAME_SPACE = new RegExp(`^(?:${DNS_LABEL}(?:\\.${DNS_LABEL}){0,2})?$`);

/** Whether `name` lies in `space`: anything lies in the root's empty one, `b.site1` lies in `site1`. */
export const isWithin = (name: string, space: string): boolean => space === "" || name.endsWith(`.${space}`);

/** SPIFFE id of a gateway. */
export const spiffeId = (meshName: string, name: string): string => `spiffe://${meshName}/gateway/${name}`;
