/** Topics of the local bus: which a filter covers, who may publish and read which, and which of them are the mesh's. */

/** Topics below it are records: replicated, retained, delivered at least once. */
export const MESH_PREFIX = "mesh/";

/** Who is at the other end of a connection. */
export interface Caller {
  /** For logs: a member's name, or `local`. */
  readonly name: string;
  /** On this gateway: by loopback or from its own overlay address. */
  readonly local: boolean;
  /** Roles of the member's certificate; none for local applications. */
  readonly roles: readonly string[];
}

export interface TopicRule {
  /** `local`, `member` (any), or `role:NAME`. */
  readonly who: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Applications of a gateway share its bus; members read what is the mesh's anyway. The rest takes a rule. */
export const DEFAULT_RULES: readonly TopicRule[] = [
  { who: "local", publish: ["#"], subscribe: ["#"] },
  { who: "member", publish: [], subscribe: [`${MESH_PREFIX}#`] },
];

export type TopicAction = "publish" | "subscribe";

/** Whether every topic that `wanted` matches is one that `allowed` matches (MQTT 3.1.1 §4.7); a topic is a filter of itself. */
export function covers(allowed: string, wanted: string): boolean {
  const [a, w] = [allowed.split("/"), wanted.split("/")];
  // Topics that begin with $ are no part of what wildcards in the first place match (§4.7.2).
  if (wanted.startsWith("$") && a[0] !== w[0]) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === "#") return true; // the level above as well: a/# matches a
    if (w[i] === undefined || w[i] === "#") return false;
    if (a[i] !== "+" && a[i] !== w[i]) return false;
  }
  return a.length === w.length;
}

export function isAllowed(rules: readonly TopicRule[], caller: Caller, action: TopicAction, filter: string): boolean {
  return rules.some((rule) => appliesTo(rule.who, caller) && rule[action].some((allowed) => covers(allowed, filter)));
}

function appliesTo(who: string, { local, roles }: Caller): boolean {
  if (who === "local") return local;
  if (who === "member") return !local;
  return who.startsWith("role:") && !local && roles.includes(who.slice("role:".length));
}

/** The record's key of a mesh topic, or undefined for another topic. */
export const keyOf = (topic: string): string | undefined =>
  topic.startsWith(MESH_PREFIX) && topic.length > MESH_PREFIX.length ? topic.slice(MESH_PREFIX.length) : undefined;

/** The topic below `mesh/` of a record's key (hex); undefined for one that is none: no text, or with wildcards. */
export function topicKey(keyName: string): string | undefined {
  try {
    const key = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.fromHex(keyName));
    return /^[^+#\0]+$/.test(key) ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Of a rule as a setting has it: `role:sensor publish readings/+`. */
export function ruleOf(text: string): TopicRule {
  const [who = "", action, filter = ""] = text.split(" ");
  return { who, publish: action === "publish" ? [filter] : [], subscribe: action === "subscribe" ? [filter] : [] };
}
