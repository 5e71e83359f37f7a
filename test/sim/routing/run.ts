/** `just sim --routing TOPOLOGY`: routing alone, at scale, through hours of churn; what it cost and whether all held. */
import { hours } from "../../../runtime/base/time.ts";
import { Churn, type Day, type Happening } from "./churn.ts";
import { TOPOLOGY_NAMES, type TopologyName, wiresOf } from "./topologies.ts";
import { RoutingWorld } from "./world.ts";

export interface RoutingRun {
  readonly seeds: readonly string[];
  readonly gateways: number;
  readonly hours: number;
  readonly topologies: readonly TopologyName[];
}

interface Told {
  readonly seed: string;
  readonly topology: TopologyName;
  readonly day: Day;
}

/** `all` or one. */
export const topologiesOf = (word: string): readonly TopologyName[] =>
  TOPOLOGY_NAMES.filter((name) => name === word || word === "all");
export const ROUTING_WORDS = [...TOPOLOGY_NAMES, "all"] as const;

/** Each seed a day of its own; with several topologies they take turns. Gives the exit code. */
export async function runRouting(run: RoutingRun, json: boolean): Promise<number> {
  const started = performance.now();
  const told: Told[] = [];
  let events = 0;
  for (const [i, seed] of run.seeds.entries()) {
    const topology = run.topologies[i % run.topologies.length] as TopologyName;
    const world = new RoutingWorld({ seed, count: run.gateways, wires: wiresOf(topology, run.gateways, seed) });
    await world.startSettled();
    const day = await new Churn(world).run(hours(run.hours));
    told.push({ seed, topology, day });
    events += world.events;
    if (day.violations.length > 0) {
      console.error(`seed ${seed}, ${topology}: ${day.violations.join("\n")}`);
      console.error(
        `the same run again: just sim --routing ${topology} --seed ${seed} --gateways ${run.gateways} --hours ${run.hours}`,
      );
    }
    if (run.seeds.length > 1 && !json)
      console.log(
        `seed ${seed}, ${topology}: ${day.happenings.length} happenings, ${day.violations.length} violations`,
      );
  }
  const wall = (performance.now() - started) / 1000;
  if (json) console.log(JSON.stringify({ run, told, events, wall }, undefined, 2));
  else for (const line of textOf(run, told, events, wall)) console.log(line);
  return told.every(({ day }) => day.violations.length === 0) ? 0 : 1;
}

function textOf(run: RoutingRun, told: readonly Told[], events: number, wall: number): string[] {
  const days = told.map((t) => t.day);
  const sum = (of: (d: Day) => number): number => days.reduce((total, d) => total + of(d), 0);
  const whole = (n: number): string => Math.round(n).toLocaleString("en");
  const kinds = Map.groupBy(
    days.flatMap((d) => d.happenings),
    (h) => h.kind,
  );
  const most = (list: readonly Happening[], of: (h: Happening) => number): string => whole(Math.max(...list.map(of)));
  const mean = (list: readonly Happening[]): string =>
    whole(list.reduce((total, h) => total + h.bytes, 0) / list.length);
  return [
    `${run.gateways} gateways, ${run.topologies.join(", ")}, ${run.hours} h each, ${days.length} seeds; stand-in signatures of full size`,
    `${sum((d) => d.happenings.length)} happenings, ${whole(sum((d) => d.judgements))} judgements of ${whole(sum((d) => d.pairs))} pairs: ${sum((d) => d.violations.length)} violations`,
    `${whole(sum((d) => d.bytesPerNodeSecond) / days.length)} control bytes per node and second`,
    `${whole(events)} events in ${wall.toFixed(1)} s; ${whole(process.memoryUsage.rss() / 1e6)} MB`,
    "",
    `${"happening".padEnd(18)}${"times".padStart(7)}${"ms until routes were final".padStart(30)}${"ms after it was undone".padStart(26)}${"bytes per node".padStart(18)}`,
    ...[...kinds].map(([kind, list]) =>
      [
        kind.padEnd(18),
        String(list.length).padStart(7),
        `at most ${most(list, (h) => h.down)}`.padStart(30),
        `at most ${most(list, (h) => h.up)}`.padStart(26),
        `mean ${mean(list)}`.padStart(18),
      ].join(""),
    ),
  ];
}
