import type { Fault } from "./faults.ts";
import { progress } from "./progress.ts";

/** Commands beside the relay, one after the other: each writes the store under it. Now and then it is killed meanwhile. */
export const commands: Fault = {
  cannot: async () => undefined,
  async strike({ house, dice, sheets, rest, acknowledged }, round) {
    const [sheet] = dice.pick(sheets);
    const other = `chaos-other-${round}`;
    const given = (async () => {
      await house.command(["spreadsheet", "add", other]);
      await house.command(["device", "add", sheet.spreadsheetId, "--name", `of round ${round}`]);
      await house.command(["spreadsheet", "remove", other, "--yes"]);
      await house.command(["spreadsheet", "add", other]);
    })();
    if (dice.chance(0.5)) {
      await progress(acknowledged, dice.below(400));
      await house.kill();
      await rest();
      await house.start();
    }
    await given;
    if (!dice.chance(0.5)) return;
    await house.kill();
    await rest();
    await house.start();
  },
};
