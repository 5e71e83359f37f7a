/** Rounds of measurements, one system after the other, and what is made of their figures. */
import type { Row } from "./table.ts";

/** The value below which this share of them lies; they are sorted. */
export const at = (values: readonly number[], share: number): number =>
  values[Math.floor((values.length - 1) * share)] as number;

export const median = (values: readonly number[]): number =>
  at(
    values.toSorted((x, y) => x - y),
    0.5,
  );

export const show = ({ id, value, unit }: Row): string =>
  `${id.padEnd(44)}${value.toFixed(2).padStart(10)} ${unit.padEnd(6)}`;

/**
 * Runs `measure` for one system after the other, round by round; gives the median of each figure as `prefix`figure/system, in the unit
 * that `unitOf` gives for the figure.
 */
export async function interleaved<S extends { readonly name: string }>(
  systems: readonly S[],
  rounds: number,
  prefix: string,
  unitOf: (figure: string) => string,
  measure: (system: S) => Promise<Readonly<Record<string, number>>>,
): Promise<Row[]> {
  const figures = new Map<string, { readonly unit: string; readonly values: number[] }>();
  for (let round = 0; round < rounds; round++) {
    for (const system of systems) {
      for (const [what, value] of Object.entries(await measure(system))) {
        const id = `${prefix}${what}/${system.name}`;
        const figure = figures.get(id) ?? { unit: unitOf(what), values: [] };
        figure.values.push(value);
        figures.set(id, figure);
      }
    }
  }
  return [...figures].map(([id, { unit, values }]) => {
    const row = { id, value: median(values), unit };
    console.log(`${show(row)}   (${values.map((v) => v.toPrecision(3)).join(", ")})`);
    return row;
  });
}
