/** How the engine is told to spend memory. */
import { expect, test } from "bun:test";
import unit from "../../../provisioning/systemd/trellis.service" with { type: "text" };
import { ENGINE } from "../../../runtime/cli/engine.io.ts";

test("the service has it in its environment, so that the daemon need not start twice", () => {
  const set = [...unit.matchAll(/^Environment=(.*)$/gm)].flatMap((line) => (line[1] as string).split(" "));
  for (const [name, value] of Object.entries(ENGINE)) expect(set).toContain(`${name}=${value}`);
});
