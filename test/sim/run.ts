/** `just sim --seed S --gateways N --hours H --loss P`: a ring of gateways on a virtual clock, and what became of them. */
import { parseArgs } from "node:util";
import { createRing, sessions } from "./ring.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    gateways: { type: "string", default: "20" },
    hours: { type: "string", default: "0.1" },
    loss: { type: "string", default: "20" },
  },
});
const started = performance.now();
const ring = await createRing(values.seed, Number(values.gateways), Number(values.loss));
ring.world.load = true;
await ring.world.run(Number(values.hours) * 3_600_000);
const { up, wanted } = sessions(ring);
const { opened, unopened } = ring.world;
console.log(
  "provider: native, real ML-KEM-768 and ML-DSA-65 (draws its own randomness: the order of losses is seeded, keys are not)",
);
console.log(`${values.gateways} gateways, ${values.hours} h, ${values.loss} % loss: ${up} of ${wanted} sessions up`);
console.log(`data packets: ${opened} delivered and opened, ${unopened} delivered and not opened`);
console.log(`took ${((performance.now() - started) / 1000).toFixed(1)} s`);
if (up < wanted || unopened > 0) {
  console.error(
    `failed; again with: just sim --seed ${values.seed} --gateways ${values.gateways} --hours ${values.hours} --loss ${values.loss}`,
  );
  process.exit(1);
}
