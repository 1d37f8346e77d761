import { SmcError } from "@smc/store/errors";
import { show } from "@smc/store/show";
import { defineCommand } from "../command.ts";
import { formatTable } from "../format.ts";

const ACTIONS = ["list", "get", "set", "unset"] as const;
