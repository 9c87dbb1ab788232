-- SPDX-License-Identifier: MIT
-- The command line: reads and checks the arguments. Each command is a module in cli/, whose function `run` takes
-- the parsed arguments and gives the exit code.

local argparse = require "argparse"

local cli = {}

local USAGE = 2

-- ---- arguments ----

local function whole_number(option)
    return function(text)
        local number = tonumber(text)
        if not number or number < 1 or number > 1e9 or number % 1 ~= 0 then
            return nil, ("%s: '%s' is no whole number from 1 to 1000000000"):format(option, text)
        end
        return math.floor(number)
    end
end

local function bytes(option)
    return function(text)
        local number = tonumber(text)
        if not number or number < 1 or number >= 2 ^ 53 or number % 1 ~= 0 then
            return nil, ("%s: '%s' is no whole number of bytes"):format(option, text)
        end
        return math.floor(number)
    end
end

local function number_from(option, text, least)
    local number = tonumber(text)
    if not number or number ~= number or number < least then
        return nil, ("%s: '%s' is no number from %g on"):format(option, text, least)
    end
    return number
end

local function seconds(option)
    return function(text)
        return number_from(option, text, 0)
    end
end

local function period(option)
    return function(text)
        return number_from(option, text, 0.001)
    end
end

-- "to=from,to=from" as a table of input names by column.
function cli.parse_map(text)
    local map = {}
    for pair in (text .. ","):gmatch("([^,]*),") do
        local to, from = pair:match("^([^=]+)=(.+)$")
        if not to then
            return nil, ("--map: '%s' is no TO=FROM"):format(pair)
        elseif map[to] then
            return nil, ("--map: the column '%s' is mapped twice"):format(to)
        end
        map[to] = from
    end
    return map
end

local function merge_maps(maps)
    local all = {}
    for _, map in ipairs(maps) do
        for to, from in pairs(map) do
            all[to] = from
        end
    end
    return all
end

local function add_store(command)
    command:option("--store", "Where the rows go: postgresql://…, sqlite:PATH; or WRITEBEHIND_STORE in the "
        .. "environment, which other users of the machine can't see in its list of processes"):argname "URL"
end

-- An option that takes one argument, checked by `check`, a function of the option's name.
local function add_option(command, name, argument, about, check, default)
    local option = command:option(name, about):argname(argument)
    if check then
        option:convert(check(name))
    end
    return default and option:default(default) or option
end

local function add_delivery(command)
    add_option(command, "--rejects", "FILE", "Where rows go that are refused or dead, with line and reason.")
    add_option(command, "--batch-size", "N", "Rows in a batch.", whole_number, "4096")
    add_option(command, "--give-up", "S", "Seconds without a row stored after which to stop.", seconds, "300")
    add_option(command, "--close-timeout", "S", "Seconds to store what was read, after an interrupt.", seconds,
        "15")
    command:flag("-q --quiet", "No progress.")
end

local function character(option)
    return function(text)
        local byte = text == "\\t" and "\t" or text
        if #byte ~= 1 then
            return nil, ("%s: '%s' is not one character, or \\t"):format(option, text)
        end
        return byte
    end
end

-- "a,b" as a list of names.
local function names(option)
    return function(text)
        local list = {}
        for name in (text .. ","):gmatch "([^,]*)," do
            list[#list + 1] = name
        end
        for _, name in ipairs(list) do
            if name == "" then
                return nil, ("%s: '%s' has a name that is empty"):format(option, text)
            end
        end
        return list
    end
end

local function add_names(command)
    add_option(command, "--map", "TO=FROM,...", "Columns that take another name of the input.")
        :count("*"):convert(cli.parse_map)
    command:flag("--ignore-unknown", "Leave out what no column takes.")
end

local function add_reading(command)
    add_names(command)
    command:option("--format", "What the file's ending tells otherwise, else ndjson. tsv has no escapes and no "
        .. "quotes; copy is the text format of PostgreSQL's COPY.")
        :choices { "ndjson", "csv", "tsv", "copy" }
    add_option(command, "--encoding", "NAME", "The text's encoding, a name that iconv knows; UTF-8.")
    add_option(command, "--delimiter", "C", "Between fields, \\t for a tab.", character)
    add_option(command, "--null", "TEXT", "A field without quotes of this text is NULL.")
    add_option(command, "--comment", "C", "Leave out lines that begin with it.", character)
    add_option(command, "--skip", "N", "Leave out so many lines at the beginning.", whole_number)
    command:flag("--no-header", "The first record is one of data; --columns names the fields.")
    add_option(command, "--columns", "A,B,...", "The names of the fields of a file without a header.", names)
    add_option(command, "--limit", "N", "Stop after so many records.", whole_number)
    command:flag("--dry-run", "Store nothing: tell the columns, and what would be refused.")
end

local function add_load(parser)
    local command = parser:command("load", "Load a file of NDJSON, CSV or TSV into a table.")
    command:argument("file", "The file, - for standard input; gzip is recognised.")
    add_store(command)
    add_option(command, "--table", "NAME", "The table: NAME or SCHEMA.NAME"):count(1)
    command:flag("--create", "Create the table from what the first 1,000 records hold, if it is missing.")
    add_reading(command)
    add_delivery(command)
end

local function add_replay(parser)
    local command = parser:command("replay", "Write the rows of a dead-letter file, or of rejects, again.")
    command:argument("file", "The file, - for standard input; gzip is recognised.")
    add_store(command)
    add_option(command, "--table", "NAME", "The table: NAME or SCHEMA.NAME"):count(1)
    add_names(command)
    add_delivery(command)
end

local function add_simulate(parser)
    local command = parser:command("simulate", "Play agents that report and workspaces in use.")
    add_store(command)
    add_option(command, "--agents", "N", "How many agents, each with a workspace.", whole_number, "100")
    add_option(command, "--seconds", "S", "How long to play.", seconds, "10")
    add_option(command, "--speed", "X", "Seconds played in one; 0: as fast as it goes.", seconds, "1")
    add_option(command, "--report-every", "S", "Seconds between two reports of an agent.", period, "5")
    add_option(command, "--seed", "N", "The same seed and start play the same.", whole_number, "1")
    add_option(command, "--start", "TIME", "When to begin, seconds since 1970; now.", seconds)
    add_option(command, "--close-timeout", "S", "Seconds to store the rest at the end.", seconds, "15")
    command:flag("-q --quiet", "No progress.")
end

local function add_spool(parser)
    local command = parser:command("spool", "Look into a spool, and deliver what processes left there.")
    command:argument("what", "ls: what there is. check: what is damaged. export: the rows that wait, for replay. "
        .. "drain: store what nobody has.")
        :choices { "ls", "check", "export", "drain" }
    command:argument("path", "The spool's path.")
    add_store(command)
    add_option(command, "--name", "NAME", "Only of the batcher of that name.")
    command:option("--dedupe", "Of drain: as the batcher has it, but for its generated column.")
        :choices { "none", "ledger" }
    add_option(command, "--give-up", "S", "Seconds after which drain leaves the rest.", seconds, "300")
end

local function add_stream(parser)
    local command = parser:command("stream", "Make a stream of NATS JetStream for batches, or say how it is.")
    command:argument("what", "create, or info."):choices { "create", "info" }
    command:option("--store", "Its servers: nats://HOST:PORT, with commas between several; or WRITEBEHIND_STORE in the "
        .. "environment"):argname "URL"
    add_option(command, "--stream", "NAME", "The stream's name."):count(1)
    add_option(command, "--replicas", "N", "Of create: how many servers have its messages.", whole_number, "1")
    add_option(command, "--max-bytes", "N", "Of create: the most that it holds; then it refuses more.", bytes)
    command:option("--retention", "Of create: what was delivered goes (workqueue), or stays up to the limits.")
        :choices { "workqueue", "limits" }:default "workqueue"
end

local function new_parser()
    local parser = argparse("writebehind", "Rows are added one by one and written in batches.")
    parser:flag("--version", "Print the version and exit."):action(function()
        print("writebehind " .. require("writebehind").version)
        os.exit(0)
    end)
    parser:command_target "command"
    add_load(parser)
    add_replay(parser)
    add_simulate(parser)
    add_spool(parser)
    add_stream(parser)
    return parser
end

-- ---- running ----

-- args.header: the fields' names, where the file does not have them. → what is wrong
local function check_header(args)
    if args.no_header and not args.columns then
        return "--no-header: --columns has to name the fields"
    end
    args.header = args.columns
end

-- The arguments as a table; nil, a message and how to use it, where they are wrong.
function cli.parse(argv)
    local parser = new_parser()
    local ok, args = parser:pparse(argv)
    if not ok then
        return nil, args, parser:get_usage()
    end
    args.store = args.store or os.getenv "WRITEBEHIND_STORE"
    if not args.store and (not args.what or args.what == "drain" or args.stream) then
        return nil, "missing option '--store' (or WRITEBEHIND_STORE in the environment)", parser:get_usage()
    end
    args.map = merge_maps(args.map or {})
    local message = check_header(args)
    if message then
        return nil, message, parser:get_usage()
    end
    return args
end

-- Runs the command that the arguments ask for; the exit code.
function cli.main(argv)
    local args, message, usage = cli.parse(argv)
    if not args then
        io.stderr:write(usage, "\n\nwritebehind: ", require("writebehind.core").process.shown(message), "\n")
        return USAGE
    end
    return require("writebehind.cli." .. args.command).run(args)
end

return cli
