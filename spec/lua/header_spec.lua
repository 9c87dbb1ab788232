-- The public headers: each is whole by itself, in C and in C++, and a C++ program finds them and the library where
-- `make install` puts them.

local process = require "spec.support.process"

local WARNINGS = " -Wall -Wextra -pedantic -Werror "
local COMPILERS = { { "cc", "-std=c11 -x c" }, { "c++", "-std=c++17 -x c++" } }
local HEADERS = { "writebehind.h", "writebehind/values.h" }

local PROGRAM = [[
#include <writebehind.h>
#include <cstdio>

int main()
{
    wb_column columns[2] = {};
    columns[0].name = "id";
    columns[0].type = WB_TYPE_UUID;
    columns[0].generate = WB_UUIDV7;
    columns[1].name = "note";
    columns[1].type = WB_TYPE_TEXT;
    wb_schema *schema = nullptr;
    wb_err err;
    if (wb_schema_new(columns, 2, &schema, &err) != WB_OK)
        return std::puts(err.text), 1;
    std::printf("%zu %zu %s\n", wb_schema_count(schema), wb_schema_given(schema),
                wb_type_name(wb_schema_column(schema, 1)->type));
    wb_schema_unref(schema);
}
]]

local function there(compiler)
    return process.run("command -v " .. compiler).code == 0
end

describe("the public headers", function()
    local folder

    setup(function()
        folder = process.dir()
    end)

    teardown(function()
        process.remove(folder)
    end)

    for _, pair in ipairs(COMPILERS) do
        local compiler, flags = pair[1], pair[2]
        for _, header in ipairs(HEADERS) do
            it(("compile alone: %s, %s"):format(header, compiler), function()
                if not there(compiler) then
                    return pending("there is no " .. compiler)
                end
                local path = process.write(folder .. "/alone", ("#include <%s>\n"):format(header))
                local result = process.run(("%s %s%s-fsyntax-only -Icore/include %s"):format(compiler, flags, WARNINGS,
                    path))
                assert.are.equal(0, result.code, result.err)
            end)
        end
    end

    -- What is built already is installed: `-o` says that it is new enough, since other specs are using it.
    it("are found by pkg-config where they were installed, and so is the library", function()
        if not there("c++") then
            return pending("there is no c++")
        end
        local installed = process.run("make -s -o all -o install-rock install PREFIX=/opt/wb DESTDIR=" .. folder)
        assert.are.equal(0, installed.code, installed.err)
        local path = process.write(folder .. "/program.cc", PROGRAM)
        local built = process.run(("cd %s && export PKG_CONFIG_SYSROOT_DIR=$PWD PKG_CONFIG_PATH=opt/wb/lib/pkgconfig "
            .. "&& c++ -std=c++17%s-o program %s $(pkg-config --cflags --libs writebehind)"):format(folder, WARNINGS,
            path))
        assert.are.equal(0, built.code, built.err)
        local ran = process.run(("LD_LIBRARY_PATH=%s/opt/wb/lib %s/program"):format(folder, folder))
        assert.are.equal(0, ran.code, ran.out .. ran.err)
        assert.are.equal("2 1 text\n", ran.out)
    end)
end)
