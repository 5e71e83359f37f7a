import { readFileSync } from "node:fs";
import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { type Parser, path } from "../config/parsers.ts";
import { readPolicy } from "../policing.io.ts";
import { parseProtocols, summaryOf } from "../policy/document.ts";
import { PROTOCOL, protocolName, WITH_PORTS } from "../policy/policy.ts";
import { command, type Globals, option } from "./command.ts";
import { note, ownHome, print, socketOf } from "./context.ts";
import { facts, size, table } from "./show.ts";

/** One protocol; `icmp` is that of IPv6, which the overlay speaks. */
const protocol: Parser<number> = {
  expects: "tcp, udp, icmp, sctp, or a number from 0 to 255",
  sign: "WORD",
  range: "tcp, udp, icmp, sctp, 0 to 255",
  words: ["tcp", "udp", "icmp", "sctp"],
  parse(given) {
    const numbers = typeof given === "string" ? parseProtocols(given) : undefined;
    const value = Array.isArray(numbers) ? numbers.at(-1) : undefined;
    return value === undefined || String(given).includes(",") ? undefined : { value };
  },
};

export const policy = command({
  name: "policy",
  doc: "who may talk to whom, and what came of it",
  positionals: {
    action: { doc: "what to do, see the examples", choices: ["show", "set", "clear", "test"] },
    word: { doc: "set: the file; test: who opens", optional: true, completes: { set: "file", test: "peer" } },
    to: { doc: "test: whom it reaches", optional: true, completes: { test: "peer" } },
    port: { doc: "test: the port there", optional: true, completes: {} },
  },
  options: {
    proto: option({
      key: "proto",
      fallback: PROTOCOL.tcp as number,
      shown: "tcp",
      unit: "",
      doc: "test: the protocol",
      parse: protocol,
    }),
    file: option<string | undefined>({
      key: "file",
      fallback: undefined,
      shown: "the one in force",
      unit: "",
      doc: "test: ask this policy instead",
      parse: path,
    }),
  },
  examples: [
    [
      "trellis policy set office.toml",
      'in force at once, or refused. A policy says default = "deny" and rules = ["allow from role:ops,b to self tcp 22,8000-8999", "allow from any to any icmp"]; the first rule that matches decides, and replies follow',
    ],
    ["trellis policy show", "its rules, and what each has let through or dropped"],
    ["trellis policy test b self 22", "would b reach our port 22? which rule says so?"],
    ["trellis policy test b a --proto icmp --file new.toml", "what would another policy say?"],
    ["trellis policy clear", "no policy: everybody may talk to everybody"],
  ],
  async run(args) {
    const { action, word, to, port } = args;
    const spare = action === "test" ? undefined : action === "set" ? to : word;
    if (spare !== undefined) throw usage(`policy ${action} takes no "${spare}"`);
    if (action === "set") await set(args, required(word, "policy set FILE"));
    else if (action === "clear") await clear(args);
    else if (action === "test") {
      const ends = {
        from: required(word, "policy test SRC DST [PORT]"),
        to: required(to, "policy test SRC DST [PORT]"),
      };
      await ask(args, { ...ends, protocol: args.proto, port: portOf(port, args.proto) }, args.file);
    } else await show(args);
  },
});

const usage = (message: string): TrellisError =>
  new TrellisError("usage/word", message, { hint: "see trellis policy --help" });

function required(word: string | undefined, form: string): string {
  if (word !== undefined) return word;
  throw usage(`this is too short: trellis ${form}`);
}

/** Throws `usage/word`. */
function portOf(word: string | undefined, proto: number): number {
  const has = WITH_PORTS.includes(proto);
  if (!has && word !== undefined) throw usage(`${protocolName(proto)} has no ports`);
  if (!has) return 0;
  const port = word !== undefined && /^\d{1,5}$/.test(word) ? Number(word) : Number.NaN;
  if (port <= 65_535) return port;
  throw usage(word === undefined ? "a port is missing: policy test SRC DST PORT" : `"${word}" is no port`);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const missing = (cause as { code?: string }).code === "ENOENT";
    throw new TrellisError("policy/unreadable", `cannot read ${file}${missing ? ": there is no such file" : ""}`, {
      cause,
    });
  }
}

const notRunning = (thrown: unknown): boolean => thrown instanceof TrellisError && thrown.code === "daemon/not-running";

interface Accepted {
  readonly default: string;
  readonly rules: number;
  readonly unknown: readonly string[];
}

/** By the daemon; without one it is stored, and the next start enforces it or fails. */
async function set(g: Globals, file: string): Promise<void> {
  const text = textOf(file);
  try {
    const done = await call<Accepted>(socketOf(g), "policy-set", { text });
    print(g, { ...done, enforced: true }, () => [
      `in force: ${summaryOf(done.rules, done.default)}`,
      ...(done.unknown.length > 0 ? [`nobody here is called ${done.unknown.join(", ")} yet`] : []),
    ]);
  } catch (thrown) {
    if (!notRunning(thrown)) throw thrown;
    const { fallback, rules } = readPolicy(text).policy;
    const home = await ownHome(g);
    await home.savePolicy(text);
    home.release();
    print(g, { default: fallback, rules: rules.length, unknown: [], enforced: false }, () => [
      `stored: ${summaryOf(rules.length, fallback)}; no daemon runs, the next start enforces it`,
    ]);
  }
}

async function clear(g: Globals): Promise<void> {
  let done: { cleared: boolean };
  try {
    done = await call(socketOf(g), "policy-clear");
  } catch (thrown) {
    if (!notRunning(thrown)) throw thrown;
    const home = await ownHome(g);
    done = { cleared: (await home.policy()) !== undefined };
    await home.savePolicy(undefined);
    home.release();
  }
  print(g, done, () => [done.cleared ? "the policy is gone: everything is allowed" : "there was no policy"]);
}

interface Counted {
  readonly action: string;
  readonly packets: number;
  readonly bytes: number;
}
type Drops = Readonly<Record<string, number>>;
interface Shown {
  readonly summary: string;
  readonly enforced: boolean;
  readonly reason: string | null;
  readonly default: Counted | null;
  readonly rules: readonly (Counted & { readonly rule: number; readonly text: string })[];
  readonly drops: { readonly in: Drops; readonly out: Drops } | null;
}

async function show(g: Globals): Promise<void> {
  const s = await call<Shown>(socketOf(g), "policy-show");
  print(g, s, () => lines(s));
}

function lines({ rules, default: fallback, drops, enforced, reason }: Shown): string[] {
  if (!fallback)
    return ["there is no policy: everything is allowed", ...(reason ? [`none could be enforced: ${reason}`] : [])];
  const counted = (c: Counted): string[] => [String(c.packets), size(c.bytes)];
  const rows = rules.map((r) => [String(r.rule), ...counted(r), r.text]);
  return [
    ...(enforced ? [] : [`NOT ENFORCED: ${reason}`, ""]),
    ...table(["rule", "packets", "bytes", ""], [...rows, ["-", ...counted(fallback), `default ${fallback.action}`]]),
    ...(drops
      ? [
          "",
          ...facts([
            ["dropped in", dropped(drops.in)],
            ["dropped out", dropped(drops.out)],
          ]),
        ]
      : []),
  ];
}

function dropped(drops: Drops): string {
  const some = Object.entries(drops).filter(([, n]) => n > 0);
  return some.length === 0 ? "nothing" : some.map(([why, n]) => `${why} ${n}`).join(", ");
}

interface Question {
  readonly [key: string]: string | number;
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  readonly port: number;
}
interface Answer {
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly port: number;
  readonly here: boolean;
  readonly action: string;
  readonly rule: number | null;
  readonly decided: string;
  readonly why: string;
  readonly nearest: { readonly rule: number; readonly text: string; readonly miss: string } | null;
}

async function ask(g: Globals, question: Question, file: string | undefined): Promise<void> {
  const text = file === undefined ? {} : { text: textOf(file) };
  const a = await call<Answer>(socketOf(g), "policy-test", { ...question, ...text });
  if (!a.here) note(g, "this gateway is neither of the two: it enforces nothing between them");
  const port = a.port === 0 ? "" : ` ${a.port}`;
  print(g, a, () => [
    `${a.action}: ${a.from} to ${a.to}, ${a.protocol}${port}`,
    ...facts([
      ["by", a.rule === null ? a.decided : `rule ${a.rule}, ${a.decided}`],
      ["because", a.why],
      ...(a.nearest
        ? [["nearest", `rule ${a.nearest.rule}, ${a.nearest.text}: another ${a.nearest.miss}`] as const]
        : []),
    ]),
  ]);
}
