-- For each type the values that the oracle is asked about. A case is a value, whose text is the same; or
-- { value, text } where PostgreSQL writes it otherwise; with `differs`, the reason, where it and we differ.

local cjson = require "cjson"

local forms = { kinds = {} }

local NULL = cjson.null
local NAN = 0 / 0

-- A number or a boolean as PostgreSQL reads it.
function forms.text_of(value)
    if type(value) ~= "number" then
        return tostring(value)
    elseif value ~= value then
        return "NaN"
    elseif value == math.floor(value) and math.abs(value) < 1e300 then
        return ("%.0f"):format(value)
    end
    return ("%.17g"):format(value)
end

-- Each of the values, with the same reason.
local function all(reason, values)
    local list = {}
    for i, value in ipairs(values) do
        list[i] = { value, forms.text_of(value), differs = reason }
    end
    return list
end

local function kind(type_sql, ...)
    local cases = {}
    for _, list in ipairs { ... } do
        for _, case in ipairs(list) do
            cases[#cases + 1] = case
        end
    end
    forms.kinds[#forms.kinds + 1] = { type = type_sql, cases = cases }
end

-- ---- booleans and numbers ----

kind("bool", { true, false, "", "maybe", "2", "tr ue", "oui", 2, -1, 0.5, NAN, "truee", "of " .. "f" },
    all("a text is no boolean; a lenient schema takes it", { "true", "false", "t", "f", "yes", "no", "y", "n", "on",
        "off", "1", "0", "TRUE", "Yes", " true ", "\tf\n" }),
    all("a text is no boolean, and a lenient one is a whole word", { "tru", "fa", "of" }),
    all("a number is no boolean", { 0, 1 }))

local NUMBER_TEXTS = { "0", "1", "-1", "+7", " 5 ", "0007", "-0", "32767" }
local NO_INTEGERS = { "", "x", "1.5", "1e3", "1 2", "--1", "0x10", "1_000", "99999999999999999999", "2.0", "+", "NaN" }
local TEXT_IS_NO_NUMBER = "a text is no number; a lenient schema takes it"

for _, of in ipairs { { "int2", 2 ^ 15 }, { "int4", 2 ^ 31 } } do
    local most = of[2] - 1
    kind(of[1], { 0, 1, -1, 7, 100, most, -most, -most - 1, most + 1, -most - 2, 2 ^ 40, -2 ^ 40, 2 ^ 62, 0.5, -0.5,
      1.5,
        1e-300, 1e300, NAN, math.huge, -math.huge, most + 0.5, true, false },
        NO_INTEGERS, { { -0.0, "-0" }, { 2.0, "2" } }, all(TEXT_IS_NO_NUMBER, NUMBER_TEXTS))
end

kind("int8", { 0, 1, -1, 2 ^ 31, -2 ^ 31 - 1, 2 ^ 53, -2 ^ 53, 0.5, -1.5, 2 ^ 52 + 0.5, 2 ^ 63, 2 ^ 64, -2 ^ 65, 1e300,
  NAN,
    math.huge, -math.huge, true, 1e15, -1e15, 9007199254740991, -9007199254740991 },
    NO_INTEGERS, all(TEXT_IS_NO_NUMBER, NUMBER_TEXTS))

local FLOAT_TEXTS = { "0", "1.5", "-1.5", "+1", "1e3", "1E-3", ".5", "5.", "NaN", "nan", "Infinity", "-inf",
    "infinity", " 1 ", "-0" }
local ODD_FLOATS = all("a text is no number, and a lenient one is decimal", { "0x10" })
local NO_FLOATS = { "", "x", "1,5", "1e", "e5", "1 2", "--1", ".", "1_000", "nanx" }

kind("float4", { 0, 1, -1, 0.5, 0.1, -0.1, 1 / 3, 16777216, 16777217, 2 ^ -126, 2 ^ -149, 1.4e-45,
  3.4028234663852886e38,
    -3.4028234663852886e38, 3.5e38, -3.5e38, 1e39, 1e300, 1e-46, -1e-50, 1e-300, NAN, math.huge, -math.huge, true,
    { -1 / math.huge, "-0" } },
    NO_FLOATS, all(TEXT_IS_NO_NUMBER, FLOAT_TEXTS), ODD_FLOATS)

kind("float8", { 0, 1, -1, 0.5, 0.1, -0.1, 1 / 3, 2 ^ 53, 2 ^ 53 + 2, 1e22, 1e23, 1e300, 1.7976931348623157e308,
    -1.7976931348623157e308, 2.2250738585072014e-308, 5e-324, -5e-324, 1e-300, NAN, math.huge, -math.huge, true, false,
    123456789.123456789, 4.35, 0.000001, { -1 / math.huge, "-0" } },
    NO_FLOATS, all(TEXT_IS_NO_NUMBER, FLOAT_TEXTS), ODD_FLOATS)

-- ---- numbers for other types, whose texts types_oracle_test.c asks about ----

kind("numeric", { 0, 1, -1, 0.5, 1e15, 1e22, 2 ^ 53, NAN, -NAN, math.huge, -math.huge, true, "", "1e3" },
    { { 0.1, "0.1" }, { -0.1, "-0.1" }, { 4.35, "4.35" }, { 1e23, "1e23" }, { -1e300, "-1e300" },
        { 1e-300, "1e-300" }, { 1 / 3, "0.3333333333333333" }, { 2 ^ 63, "9.223372036854776e+18" } })

kind("interval", { 0, 1, -1, 90, 0.5, -0.25, 86400, 1e9, 1000000000000.125, -1000000000000.125, 1e300, true },
    { { NAN, "" }, { math.huge, "" }, { 0.0000004, "0" }, { -0.0000004, "0" }, { 0.0000016, "0.000002" } })

kind("time", { { 0, "00:00" }, { 28800.5, "08:00:00.5" }, { 86399.9999996, "24:00" }, { 86400, "24:00" },
    { 86400.5, "24:00:00.5" }, { -1, "-00:00:01" }, { NAN, "" }, true })

local NO_TIME = "as a number it is what a division by 0 makes"
local INFINITIES = { "infinity", "+infinity", "-infinity", "Infinity", "-INFINITY", "infinit", "", "inf " }

kind("timestamptz", INFINITIES, { { 0, "1970-01-01 00:00Z" }, { -0.5, "1969-12-31 23:59:59.5Z" }, { NAN, "" },
    { 1715673600.115245, "2024-05-14 08:00:00.115245Z" }, { 253402300799, "9999-12-31 23:59:59Z" },
    { math.huge, "infinity", differs = NO_TIME }, { -math.huge, "-infinity", differs = NO_TIME } })
kind("timestamp", INFINITIES, { { 0, "1970-01-01 00:00" }, { -0.5, "1969-12-31 23:59:59.5" },
    { 1715673600.115245, "2024-05-14 08:00:00.115245" }, { -62135596800, "0001-01-01 00:00" },
    { math.huge, "infinity", differs = NO_TIME }, { -math.huge, "-infinity", differs = NO_TIME } })
kind("date", INFINITIES, { { 0, "1970-01-01" }, { -719162, "0001-01-01" }, { 2932896, "9999-12-31" }, { 0.5, "" },
    { NAN, "" } })

-- ---- texts ----

local TEXTS = { "", " ", "a", "a b", "  both  ", "tab\t", "line\nline", "cr\r\n", "\\", "\\N", "\\.", "\\\\", "'", "''",
  "\"",
    "$$", "{}", "{a,b}", "NULL", "null", "%s", "\1\2\31\127", "naïve", "☃", "日本語", "😀", "e\204\129",
      "\226\128\174rtl",
    "\239\187\191bom", ("x"):rep(10000), "1", "true", "a|b", "-- comment", "a\0b", "\0", "\255", "\195", "\237\160\128",
    "\192\128", "\244\144\128\128", "\240\128\128\128", "ok\128", "\194\160" }

kind("text", TEXTS, all("a number is no text; a lenient schema takes it", { 1, 0.5, -7 }),
    all("a boolean is no text", { true, false }))

local SPACES_ARE_CUT = "spaces beyond the length are cut by PostgreSQL without a word; a lenient schema takes it"

kind("varchar(5)", { "", "a", "12345", "123456", "日本語日本", "日本語日本語", "😀😀😀😀😀",
  "12345\n", "     ", "1234 " },
    all(SPACES_ARE_CUT, { "12345 ",
      "a         " }))

kind("char(5)", { "", "a", "12345", "123456", "日本語日本", "日本語日本語", "     " },
    all(SPACES_ARE_CUT, { "12345 ",
      "a         " }))

kind("name", { "", "a", "A b", "ü", ("x"):rep(63), "\"q\"" },
    all("PostgreSQL cuts a name at 63 bytes without a word; the server refuses it in binary", { ("x"):rep(64),
      ("ü"):rep(40) }))

kind("wb_oracle_mood", { "sad", "ok", "very happy", "it's", 'O"K', "Ü", "", "Sad", "SAD", " sad", "sad ", "happy",
  "ü",
    ("x"):rep(64), "NULL", 1, true })

kind("xml", { "", "a", "<a/>", "<a><b>x</b></a>", "<a/><b/>", "<a", "<a></b>", "&lt;", "&", "<a x='1'/>", "<!-- c -->",
  "ü",
    "<a>\n</a>" })

-- ---- what is cast: the type's own input decides, and a text that it refuses is dead, whatever it says of it ----

kind("tsvector", { "", "a b", "'it''s':1A", "a:", "'open", "a:1,2" })
kind("tsquery", { "", "a & b", "a &", "!a | (b", "a <-> b", "'x" })
kind("regclass", { "pg_class", "no_such_table", "1259", "a.b.c.d.e", "pg_catalog.pg_type" })
kind("regtype", { "int4", "nothing", "int4[]", "" })
kind("hstore", { "", "a=>1", "a=>", "a", '"x"=>NULL, y=>"z"', "=>1" })
kind("jsonpath", { "$", "$.a[*]", "$.", "", "a b", "strict $" })
kind("money", { "1", "$1,234.5", "x", "-$2", "1e30", "(3.00)" })
kind("bit(3)", { "101", "1", "1010", "12", "", "x5" })
kind("int4range", { "[1,2)", "[1,1)", "(,)", "[2,1)", "empty", "1,2", "[a,b]", "" })
kind("point", { "1,2", "(1,2)", "1", "x", "(1,2", "(Infinity,NaN)" })
kind("box[]", { "{}", "{(1,2),(3,4)}", "{(1,2),(3,4);(5,6),(7,8)}", "{x}", "(1,2),(3,4)" })
kind("timetz", { "08:00:00+02", "08:00", "25:00", "x", "24:00:00Z" })
kind("pg_lsn", { "0/0", "16/B374D848", "x", "1/", "FFFFFFFF/FFFFFFFF" })
kind("macaddr8", { "08:00:2b:01:02:03", "08:00:2b:01:02:03:04:05", "x" })
kind('"char"', { "", "a", "\\001", "A" }, { "ab" })
kind("oid", { "0", "4294967295", "4294967296", "-1", "x" })

-- ---- bytea ----

kind("bytea", { "", "a", "plain text", "tab\t", "ü" },
    all("a string is the bytes themselves, not PostgreSQL's text of them", { "\\x", "\\x00ff", "\\xDE AD", "\\\\",
      "\\001",
        "\\x0", "\\xzz", "a\\", "\0", "a\0b", "\255", "\237\160\128" }))

-- ---- JSON ----

local JSON = { "null", "true", "false", "0", "-0", "1", "-1", "1.5", "1e5", "1E5", "1e+5", "1E-5", "0.1", "-0.0",
  "1.50",
    "12345678901234567890", "0.1234567890123456789", '""', '"a"', '"ü"', '"☃😀"', "[]", "{}", "[1]", "[1,2]",
      "[ 1 , 2 ]",
    "[[]]", "[{}]",
    '{"a":1}', '{"a":{"b":[1,null,true]}}', '{"":0}', " 1 ", "\t[\n]\r", '{"a":1,"a":2}', '{"b":1,"a":2}',
    [["\n\t\"\\\/\b\f\r"]], [["\u00e9"]], [["\ud83d\ude00"]], [["\uD83D\uDE00"]], [["\u0001"]], [["\u007f"]],
      [['"\127"']],
    "", " ", "nul", "True", "NULL", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity", "-Infinity",
      "1 2",
    "'a'", '"', '"a', '"a\n"', '"\t"', '"\1"', [["\x"]], [["\u12"]], [["\u12g4"]], "[", "]", "[1", "[1,]", "[,1]",
      "[1 2]", "{",
    "}", '{"a"}', '{"a":}', '{"a":1,}', "{a:1}", "{1:2}", '{"a" 1}', '{"a":1 "b":2}', '{"a":1}}', "[1]]", "// c\n1",
      "/**/1",
    "1;", "tru", "truee", "nulll", "hello", "\239\187\1911", "\f1", "\v1", "\194\1601", '"\255"', '"\237\160\128"',
      "\0", '"a\0"',
    "[" .. ("1,"):rep(500) .. "1]", ("["):rep(200) .. ("]"):rep(200), '"' .. ("x"):rep(5000) .. '"', "--1", "1.2.3",
      "1e5.5",
    "[true,false,null]", "1e308", "-1e-308" }

local AS_JSON = { { true, "true" }, { false, "false" }, { 1, "1" }, { 0.5, "0.5" }, { -7, "-7" }, { NAN, "NaN" },
    { math.huge, "Infinity" } }

kind("json", JSON, AS_JSON, { "1e400" },
    all("\\u0000 is no character of a text in PostgreSQL: jsonb and json's own functions refuse it", { [["\u0000"]] }),
    { { { 1, 2 }, "[1,2]" }, { { a = 1 }, '{"a":1}' },
{ {}, "{}" } })
kind("jsonb", JSON, AS_JSON, { [["\u0000"]], [["\ud800"]], [["\ude00"]], [["\ud83dx"]], [["\ud83d\u0041"]], "1e400",
  "1e-400",
    "1e131071", "1e200000", "1e-16383", "1e-20000" },
    { { { 1, 2 }, "[1,2]" }, { { a = 1 }, '{"a":1}' }, { {}, "{}" } })

-- ---- arrays ----

local NO_LISTS = all("an array is a list, not its text", { "{}", "{1}", "{1,2}" })

kind("int4[]", { { {}, "{}" }, { { 1 }, "{1}" }, { { 1, 2, 3 }, "{1,2,3}" }, { { NULL }, "{NULL}" },
{ { 1, NULL, 2 }, "{1,NULL,2}" },
    { { 2147483647, -2147483648 }, "{2147483647,-2147483648}" }, { { 2147483648 }, "{2147483648}" },
    { { 1.5 }, "{1.5}" },
    { { "x" }, "{x}" }, { { true }, "{true}" }, { { a = 1 }, "{a=1}" }, { { 1, a = 2 }, "{1,a=2}" }, { 1, "1" },
    { "x", "x" }, { true, "true" },
    { "", "" }, { { { "a" } }, "{{a}}" }, { { 2.0 }, "{2}" } }, NO_LISTS,
    { { { { 1, 2 }, { 3, 4 } }, "{{1,2},{3,4}}", differs = "arrays have one dimension" },
        { { "1" }, "{1}", differs = TEXT_IS_NO_NUMBER } })

kind("text[]", { { {}, "{}" }, { { "" }, '{""}' }, { { "a", "b" }, "{a,b}" }, { { "a b" }, '{"a b"}' },
{ { "a,b" }, '{"a,b"}' },
    { { 'q"q' }, [[{"q\"q"}]] }, { { "b\\s" }, [[{"b\\s"}]] }, { { "{}" }, '{"{}"}' }, { { "NULL" }, '{"NULL"}' },
    { { "null" }, '{"null"}' },
    { { NULL }, "{NULL}" }, { { NULL, NULL, "x" }, "{NULL,NULL,x}" }, { { " lead", "trail " }, '{" lead","trail "}' },
    { { "\n\t" }, '{"\n\t"}' },
    { { "ü☃😀" }, "{ü☃😀}" }, { { ("x"):rep(5000) }, "{" .. ("x"):rep(5000) .. "}" }, { { "'" }, "{'}" },
    { { "\255" }, "{\255}" },
    { { "a\0" }, "{a\0}" } }, NO_LISTS,
    { { { 1 }, "{1}", differs = "a number is no text; a lenient schema takes it" },
        { { { "a" } }, "{{a}}", differs = "arrays have one dimension" } })

kind("varchar(3)[]", { { { "abc", "" }, '{abc,""}' }, { { "abcd" }, "{abcd}" }, { { "日本語" }, "{日本語}" },
{ { NULL }, "{NULL}" } },
    { { { "abc " }, '{"abc "}', differs = SPACES_ARE_CUT } })

kind("bool[]", { { { true, false, NULL }, "{true,false,NULL}" }, { {}, "{}" }, { { "maybe" }, "{maybe}" } },
    { { { "t" }, "{t}", differs = "a text is no boolean; a lenient schema takes it" },
        { { 1 }, "{1}", differs = "a number is no boolean" } })

kind("int2[]", { { { 32767, -32768 }, "{32767,-32768}" }, { { 32768 }, "{32768}" } })
kind("int8[]", { { { 2 ^ 53, -2 ^ 53 }, "{9007199254740992,-9007199254740992}" },
{ { 2 ^ 63 }, "{9223372036854775808}" } })
kind("float4[]", { { { 0.1, NAN, -math.huge }, "{0.1,NaN,-Infinity}" }, { { 1e39 }, "{1e39}" },
{ { 1e-50 }, "{1e-50}" } })
kind("float8[]", { { { 0.1, NAN, math.huge, 5e-324 }, "{0.1,NaN,Infinity,5e-324}" }, { {}, "{}" } })
kind("numeric[]", { { { "0.10", 2, "NaN", NULL }, "{0.10,2,NaN,NULL}" }, { { "x" }, "{x}" }, { { "1e3" }, "{1e3}" } })
kind("uuid[]", { { { "018BCFE5-6be8-7000-ba42-55942e14460b" }, "{018BCFE5-6be8-7000-ba42-55942e14460b}" },
{ { "x" }, "{x}" } })
kind("date[]", { { { "2024-02-29", "infinity", NULL }, "{2024-02-29,infinity,NULL}" },
{ { "2023-02-29" }, "{2023-02-29}" },
    { { 0 }, "{1970-01-01}" } })
kind("timestamptz[]", { { { "2024-05-14T08:00:00Z", 0 }, '{2024-05-14T08:00:00Z,"1970-01-01 00:00:00+00"}' },
{ { "x" }, "{x}" } })
kind("bytea[]", { { { "\0\255", "", "x" }, [[{"\\x00ff","\\x","\\x78"}]] } })
kind("jsonb[]", { { { '{"a": "b\\"c"}' }, [[{"{\"a\": \"b\\\"c\"}"}]] }, { { "1", "null" }, "{1,\"null\"}" },
{ { "x" }, "{x}" },
    { { 1, true }, "{1,true}" }, { { { a = 1 } }, [[{"{\"a\": 1}"}]] } })
kind("wb_oracle_mood[]", { { { "sad", "very happy", NULL, 'O"K' }, [[{sad,"very happy",NULL,"O\"K"}]] }, { {}, "{}" },
    { { "happy" }, "{happy}" } })

return forms
