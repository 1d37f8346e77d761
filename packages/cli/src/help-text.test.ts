import { expect, test } from "vitest";
import { COMMANDS, type CommandName, loadCommand } from "./commands/index.ts";
import { commandHelp } from "./help-text.ts";

test("what a page says of its verb flows in lines of 80 characters, with every word in its order", async () => {
  for (const verb of Object.keys(COMMANDS) as CommandName[]) {
    const command = await loadCommand(verb);
    const page = commandHelp(verb, command);
    const from = page.indexOf("", page.indexOf("Usage:")) + 1;
    const text = command.description.length === 0 ? [] : page.slice(from, page.indexOf("", from));
    expect(text.join(" ")).toBe(command.description.join(" "));
    expect(text.filter((line) => line.length > 80 && line.includes(" "))).toEqual([]);
    // No line could take the first word of the next one.
    for (const [index, line] of text.slice(0, -1).entries())
      expect(`${line} ${text[index + 1]?.split(" ")[0]}`.length).toBeGreaterThan(80);
  }
});
