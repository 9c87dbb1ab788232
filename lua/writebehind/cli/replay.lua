-- SPDX-License-Identifier: MIT
-- writebehind replay: the rows of a dead-letter file into a table, as they were, generated ids included.

local load = require "writebehind.cli.load"

local replay = {}

-- Runs the command; exit codes as of load.
function replay.run(args)
    args.format, args.create = "dead", false
    return load.run(args)
end

return replay
