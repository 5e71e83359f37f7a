/** `just sim --whole SITE`: a large mesh of whole gateways, cold start, churn and all; what it cost and whether all held. */
import { hours } from "../../../runtime/base/time.ts";
import { LargeChurn, type LargeDay, SPARSE_DAY } from "./churn.ts";
import type { Site } from "./underlay.ts";
import { LargeMesh } from "./world.ts";

export interface LargeRun {
  readonly seeds: readonly string[];
  readonly gateways: number;
  readonly hours: number;
  /** Percent of datagrams lost. */
  readonly loss: number;
  readonly site: Site;
}

/** Each seed a day of its own. Gives the exit code. */
export async function runLarge(run: LargeRun, json: boolean): Promise<number> {
  const { gateways: count, site, loss } = run;
  let failed = 0;
  for (const seed of run.seeds) {
    const before = process.cpuUsage();
    const mesh = await LargeMesh.create({ seed, count, site, loss });
    const day = await new LargeChurn(mesh, isAcquainted(site) ? SPARSE_DAY : undefined).run(hours(run.hours));
    const { user, system } = process.cpuUsage(before);
    const cost = { cpu: (user + system) / 1e6, megabytes: process.memoryUsage.rss() / 1e6 };
    const { hash: trace, events } = mesh.world.trace;
    if (json) console.log(JSON.stringify({ seed, run, day, cost, trace, events }));
    else for (const line of textOf(run, seed, day, cost)) console.log(line);
    if (!json) console.log(`  trace ${trace} over ${whole(events)} events`);
    if (day.violations.length === 0) continue;
    failed++;
    console.error(
      `the same run again: just sim --whole ${site} --seed ${seed} --gateways ${count} --hours ${run.hours} --loss ${loss}`,
    );
  }
  return failed === 0 ? 0 : 1;
}

const isAcquainted = (site: Site): boolean => site !== "open" && site !== "spokes";
const whole = (n: number): string => Math.round(n).toLocaleString("en");

function textOf(
  run: LargeRun,
  seed: string,
  day: LargeDay,
  cost: { readonly cpu: number; readonly megabytes: number },
): string[] {
  const kinds = Object.entries(day.happenings).map(([kind, times]) => `${times} ${kind}`);
  return [
    `seed ${seed}: ${run.gateways} whole gateways, ${run.site}, ${run.hours} h; no real cryptography, keys and signatures of full size`,
    `  start, ${isAcquainted(run.site) ? "acquainted" : "cold"}: everybody reaches everybody after ${whole(day.cold)} ms, ${whole(day.coldBytes)} bytes sent by each`,
    `  ${whole(day.quietBytes)} bytes a gateway and second while nothing happens, ${whole(day.allBytes)} over the whole`,
    `  happenings: ${kinds.join(", ") || "none"}`,
    `  ${whole(day.judgements)} judgements of ${whole(day.pairs)} ways, ${whole(day.posts)} posts arrived, ${whole(day.told)} were told lost: ${day.violations.length} violations`,
    ...day.violations.map((v) => `  ${v}`),
    `  ${whole(cost.cpu)} s of CPU, ${whole(cost.megabytes)} MB`,
  ];
}
