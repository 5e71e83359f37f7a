/** Our broker alone in a process, for the bench: prints its port. */
import { createLog } from "../runtime/base/log.ts";
import { Meter } from "../runtime/base/meter.ts";
import { Broker } from "../runtime/sync/broker.io.ts";
import { DEFAULT_RULES } from "../runtime/sync/topics.ts";

const broker = await Broker.start({
  identify: () => ({ name: "local", local: true, roles: [] }),
  rules: DEFAULT_RULES,
  room: async () => {},
  publish: async () => {},
  retained: async function* () {},
  log: createLog(() => {}, "error"),
  meter: new Meter(),
});
console.log(await broker.listen("127.0.0.1", 0));
