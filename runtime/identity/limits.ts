/** Never more than the issuer has: each rule is one question about a certificate and the one that signed it. */
import { contains, type Prefix, parsePrefix } from "../base/ip.ts";
import type { CertificateBody } from "./certificate.ts";
import { isNameIn, isSpaceIn } from "./names.ts";

type Rule = (subject: CertificateBody, issuer: CertificateBody) => boolean;

const mayIssue: Rule = (_, issuer) => issuer.issuing !== undefined;

const nameLiesInSpace: Rule = ({ name }, { issuing }) => issuing !== undefined && isNameIn(name, issuing.nameSpace);

const rolesAreHeld: Rule = (subject, issuer) => subject.roles.every((r) => issuer.roles.includes(r));

const capabilitiesAreHeld: Rule = (subject, issuer) =>
  subject.capabilities.every((c) => issuer.capabilities.includes(c));

const subnetsAreHeld: Rule = (subject, issuer) =>
  subject.subnets.every((inner) => issuer.subnets.some((outer) => holds(outer, inner)));

/** Whether a subnet lies in another; both as text. */
export function holds(outer: string, inner: string): boolean {
  const [o, i]: (Prefix | undefined)[] = [parsePrefix(outer), parsePrefix(inner)];
  return o !== undefined && i !== undefined && contains(o, i);
}

const endsNoLater: Rule = (subject, issuer) =>
  issuer.expires === undefined || (subject.expires !== undefined && subject.expires <= issuer.expires);

const serialLiesInRange: Rule = ({ serial }, { issuing }) =>
  issuing !== undefined && serial >= issuing.firstSerial && serial <= issuing.lastSerial;

const rangeIsHeld: Rule = (subject, { issuing }) =>
  subject.issuing === undefined ||
  (issuing !== undefined &&
    subject.issuing.firstSerial >= issuing.firstSerial &&
    subject.issuing.lastSerial <= issuing.lastSerial);

const spaceIsHeld: Rule = (subject, { issuing }) =>
  subject.issuing === undefined || (issuing !== undefined && isSpaceIn(subject.issuing.nameSpace, issuing.nameSpace));

const depthFalls: Rule = (subject, { issuing }) =>
  subject.issuing === undefined || (issuing !== undefined && subject.issuing.depth < issuing.depth);

/** What a broken rule is called in errors. */
const RULES = {
  "the right to issue": mayIssue,
  name: nameLiesInSpace,
  roles: rolesAreHeld,
  capabilities: capabilitiesAreHeld,
  subnets: subnetsAreHeld,
  expiry: endsNoLater,
  serial: serialLiesInRange,
  "serial range": rangeIsHeld,
  "name space": spaceIsHeld,
  depth: depthFalls,
} as const satisfies Record<string, Rule>;

export type Excess = keyof typeof RULES;

/** The first thing in which `subject` has more than `issuer`, or undefined. */
export const excessOver = (subject: CertificateBody, issuer: CertificateBody): Excess | undefined =>
  (Object.keys(RULES) as Excess[]).find((name) => !RULES[name](subject, issuer));
