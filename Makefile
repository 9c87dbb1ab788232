# writebehind: GNU make and a C compiler are all that the build needs. `make help` lists the targets.
#
# LUA is lua5.4, lua5.3, lua5.1 or luajit; the modules stand side by side under build/.
# WERROR=1, CC=clang, CFLAGS=… and SANITIZE=address,undefined are understood by every target: a change of
# flags rebuilds what it concerns, a sanitized build has its own directory.

LUA ?= lua5.4
override LUA := $(or $(notdir $(LUA)),lua)
LUAS = lua5.4 lua5.3 lua5.1 luajit
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g -fno-plt
PKG_CONFIG ?= pkg-config

comma := ,
ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
BUILD ?= build$(if $(SANITIZE),/sanitize-$(subst $(comma),-,$(SANITIZE)))
VERSION := 0.1.0
SOVERSION := 0

# ---- flags ----

pkg = $(shell $(PKG_CONFIG) $(1) $(2) 2>/dev/null)
PQ_CFLAGS ?= $(or $(call pkg,--cflags,libpq),-I/usr/include/postgresql)
PQ_LIBS ?= $(or $(call pkg,--libs,libpq),-lpq)
SQLITE_CFLAGS ?= $(call pkg,--cflags,sqlite3)
SQLITE_LIBS ?= $(or $(call pkg,--libs,sqlite3),-lsqlite3)
# NATS=0 builds without libnats, and so does a machine that has none.
NATS ?= $(if $(call pkg,--libs,libnats),1,0)
NATS_CFLAGS ?= $(call pkg,--cflags,libnats)
NATS_LIBS ?= $(if $(filter 1,$(NATS)),$(or $(call pkg,--libs,libnats),-lnats))
CMOCKA_CFLAGS ?= $(call pkg,--cflags,cmocka)
CMOCKA_LIBS ?= $(or $(call pkg,--libs,cmocka),-lcmocka)
UUID_LIBS ?= -luuid

LUA_VERSION := $(if $(filter luajit%,$(LUA)),5.1,$(patsubst lua%,%,$(LUA)))
LUA_CFLAGS ?= $(if $(LUA_INCDIR),-I$(LUA_INCDIR),$(or $(call pkg,--cflags,$(LUA)),\
    -I/usr/include/$(if $(filter luajit%,$(LUA)),luajit-2.1,$(LUA))))

SANITIZE_FLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
BASE_CFLAGS = -std=c11 -D_GNU_SOURCE -fPIC -pthread -fvisibility=hidden -Wall -Wextra -Wshadow \
    $(if $(WERROR),-Werror) $(SANITIZE_FLAGS) $(CFLAGS)
CORE_INCLUDES = -Icore -Icore/include
CORE_CFLAGS = $(BASE_CFLAGS) $(CORE_INCLUDES) $(PQ_CFLAGS) $(SQLITE_CFLAGS) $(NATS_CFLAGS) $(CPPFLAGS)
BINDING_CFLAGS = $(BASE_CFLAGS) $(CORE_INCLUDES) -Ibindings $(LUA_CFLAGS) $(CPPFLAGS)
SPEC_CFLAGS = $(CORE_CFLAGS) -Ispec/core $(CMOCKA_CFLAGS)
LIBS = $(PQ_LIBS) $(SQLITE_LIBS) $(NATS_LIBS) -lm
# lua_close unloads C modules while flushers may still be at work: nodelete keeps their code in place.
LIBFLAG ?= -shared
SHARED = $(LIBFLAG) -pthread $(SANITIZE_FLAGS) -Wl,-z,nodelete $(LDFLAGS)

# ---- files ----

sources = $(sort $(shell find $(1) -name '*.c'))

LEFT_OUT := $(if $(filter 1,$(NATS)),core/stores/nats/absent.c,$(filter-out %/absent.c,$(wildcard core/stores/nats/*.c)))
CORE_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out $(LEFT_OUT),$(call sources,core)))
BINDING_OBJECTS := $(patsubst bindings/lua/%.c,$(BUILD)/obj/$(LUA)/%.o,$(call sources,bindings/lua))
SPEC_SOURCES := $(filter %_test.c,$(filter-out $(if $(filter 1,$(NATS)),,spec/core/stores/nats/%),$(call sources,spec/core)))
SPEC_OBJECTS := $(patsubst %.c,$(BUILD)/obj/%.o,$(call sources,spec/core))
SPEC_SHARED := $(filter-out %_test.o,$(SPEC_OBJECTS))
SPECS := $(patsubst spec/core/%.c,$(BUILD)/spec/%,$(SPEC_SOURCES))
EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))
STATIC := $(BUILD)/libwritebehind.a
DYNAMIC := $(BUILD)/libwritebehind.so
MODULE := $(BUILD)/$(LUA)/writebehind/core.so
COMMAND := $(BUILD)/$(LUA)/bin/writebehind

.PHONY: all lib module modules specs examples env lint format test sim fuzz demo bench charts bench-openresty memcheck \
    install clean help rock install-rock FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: lib module
lib: $(STATIC) $(DYNAMIC)
module: $(MODULE) $(COMMAND)
specs: $(SPECS)
examples: $(EXAMPLES)
modules: lib
	@for lua in $(LUAS); do $(MAKE) --no-print-directory module LUA=$$lua || exit 1; done

# ---- compiling ----

# A stamp holds a command (to link: its inputs too), and changes when that does.
stamp = @mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' >$@.new; \
    if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(BUILD)/obj/core.flags: FORCE
	$(call stamp,$(CC) $(CORE_CFLAGS))
$(BUILD)/obj/spec.flags: FORCE
	$(call stamp,$(CC) $(SPEC_CFLAGS) $(LDFLAGS))
$(BUILD)/obj/$(LUA).flags: FORCE
	$(call stamp,$(CC) $(BINDING_CFLAGS))
$(BUILD)/obj/link.flags: FORCE
	$(call stamp,$(CC) $(SHARED) $(LIBS) $(CORE_OBJECTS))
$(BUILD)/obj/$(LUA).link: FORCE
	$(call stamp,$(BINDING_OBJECTS))

$(BUILD)/obj/core/%.o: core/%.c $(BUILD)/obj/core.flags
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/obj/$(LUA)/%.o: bindings/lua/%.c $(BUILD)/obj/$(LUA).flags
	@mkdir -p $(@D)
	$(CC) $(BINDING_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/obj/spec/core/%.o: spec/core/%.c $(BUILD)/obj/spec.flags
	@mkdir -p $(@D)
	$(CC) $(SPEC_CFLAGS) -MMD -MP -c -o $@ $<

# ---- linking ----

$(STATIC): $(CORE_OBJECTS) $(BUILD)/obj/link.flags
	@rm -f $@
	$(AR) rcs $@ $(CORE_OBJECTS)
$(DYNAMIC).$(SOVERSION): $(CORE_OBJECTS) $(BUILD)/obj/link.flags
	$(CC) $(SHARED) -Wl,-soname,libwritebehind.so.$(SOVERSION) -o $@ $(CORE_OBJECTS) $(LIBS)
$(DYNAMIC): $(DYNAMIC).$(SOVERSION)
	ln -sf $(notdir $<) $@
$(MODULE): $(CORE_OBJECTS) $(BINDING_OBJECTS) $(BUILD)/obj/link.flags $(BUILD)/obj/$(LUA).link
	@mkdir -p $(@D)
	$(CC) $(SHARED) -o $@ $(BINDING_OBJECTS) $(CORE_OBJECTS) $(LIBS)
# The command under the Lua that the module was built for, whatever `lua` is in PATH.
$(COMMAND): bin/writebehind
	@mkdir -p $(@D)
	@printf '%s\n' '#!/bin/sh' 'exec $(LUA) "$(ROOT)/bin/writebehind" "$$@"' >$@ && chmod +x $@
$(BUILD)/spec/%: $(BUILD)/obj/spec/core/%.o $(SPEC_SHARED) $(STATIC)
	@mkdir -p $(@D)
	$(CC) $(SANITIZE_FLAGS) -pthread $(LDFLAGS) -o $@ $< $(SPEC_SHARED) $(STATIC) $(CMOCKA_LIBS) $(UUID_LIBS) $(LIBS)
$(BUILD)/examples/%: $(STATIC)
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^) $(STATIC) $(LIBS)
$(EXAMPLES): $(BUILD)/examples/%: examples/%.c $(BUILD)/obj/core.flags

-include $(CORE_OBJECTS:.o=.d) $(BINDING_OBJECTS:.o=.d) $(SPEC_OBJECTS:.o=.d)

# ---- using ----

ABSOLUTE_BUILD = $(if $(filter /%,$(BUILD)),$(BUILD),$(ROOT)/$(BUILD))
# Run as: eval "$(make -s env)"
env:
	@echo "export LUA_PATH='$(ROOT)/lua/?.lua;$(ROOT)/lua/?/init.lua;;'"
	@echo "export LUA_CPATH='$(ABSOLUTE_BUILD)/$(LUA)/?.so;;'"
	@echo "export PATH='$(ABSOLUTE_BUILD)/$(LUA)/bin':\"\$$PATH\""
	@echo "export WRITEBEHIND_LUA='$(LUA)'"

demo:
	@scripts/setup demo
	@$(MAKE) --no-print-directory -s all
	@scripts/demo
test:
	@scripts/setup test
	@scripts/test $(T)
lint:
	@scripts/setup lint
	@scripts/lint
format:
	@find core bindings spec/core spec/fuzz bench examples -name '*.[ch]' -exec clang-format -i {} +
# SEEDS: how many of the model's, from FIRST on; see spec/core/engine/outbox/model_test.c.
SEEDS ?= 100000
FIRST ?= 1
sim: $(BUILD)/spec/engine/outbox/model_test
	@$< $(SEEDS) $(FIRST)
# SECONDS: of each fuzz target, or of those in T; see spec/fuzz/fuzz.h.
SECONDS ?= 10
fuzz:
	@scripts/setup all
	@scripts/fuzz $(SECONDS) $(T)
memcheck:
	@scripts/setup test
	@scripts/memcheck $(T)
bench: all
	@bench/run $(ARGS)
charts:
	@scripts/setup bench
	@bench/charts
bench-openresty:
	@scripts/setup test
	@$(MAKE) --no-print-directory -s module LUA=luajit
	@eval "$$($(MAKE) -s --no-print-directory env LUA=luajit)" && \
	    LUA_PATH="$(ROOT)/?.lua;$$LUA_PATH" luajit bench/openresty.lua $(ARGS)
clean:
	rm -rf build $(if $(filter build build/%,$(BUILD)),,$(BUILD))

# ---- installing ----

LUADIR ?= $(PREFIX)/share/lua/$(LUA_VERSION)
LIBDIR ?= $(PREFIX)/lib/lua/$(LUA_VERSION)
BINDIR ?= $(PREFIX)/bin

install: all install-rock
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/writebehind
	install -m 644 $(STATIC) $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(DYNAMIC).$(SOVERSION) $(DESTDIR)$(PREFIX)/lib/
	ln -sf libwritebehind.so.$(SOVERSION) $(DESTDIR)$(PREFIX)/lib/libwritebehind.so
	install -m 644 core/include/writebehind.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 core/include/writebehind/* $(DESTDIR)$(PREFIX)/include/writebehind/
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: writebehind' 'Description: Write-behind batching of rows' \
	    'Version: $(VERSION)' 'Cflags: -I$${prefix}/include' \
	    'Libs: -L$${prefix}/lib -lwritebehind' 'Libs.private: -pthread -lm' \
	    'Requires.private: libpq sqlite3$(if $(filter 1,$(NATS)), libnats)' >$(DESTDIR)$(PREFIX)/lib/pkgconfig/writebehind.pc

# LuaRocks gives LUA_INCDIR, LUADIR, LIBDIR, BINDIR, CFLAGS and LIBFLAG.
rock: module
install-rock: module
	install -d $(DESTDIR)$(LIBDIR)/writebehind $(DESTDIR)$(BINDIR)
	cd lua && find writebehind -name '*.lua' -exec install -D -m 644 {} $(DESTDIR)$(abspath $(LUADIR))/{} \;
	install -m 755 $(MODULE) $(DESTDIR)$(LIBDIR)/writebehind/
	sed '1s|.*|#!/usr/bin/env $(LUA)|' bin/writebehind >$(BUILD)/$(LUA)/writebehind.sh
	install -m 755 $(BUILD)/$(LUA)/writebehind.sh $(DESTDIR)$(BINDIR)/writebehind

help:
	@echo 'make [LUA=…]          the library (static, shared) and the module for one Lua'
	@echo 'make modules          the module for each of: $(LUAS)'
	@echo 'make -s env [LUA=…]   shell exports for using the checkout from any directory'
	@echo 'make demo             simulated agents into a SQLite file'
	@echo 'make test [T=FILE]    every test, or those of the files named'
	@echo 'make lint             luacheck, cppcheck, clang-format, include directions, lengths'
	@echo 'make format           clang-format, in place'
	@echo 'make sim SEEDS=n      n seeds of the model of a store that refuses rows, in virtual time'
	@echo 'make fuzz SECONDS=n    each fuzz target for n seconds'
	@echo 'make memcheck         the tests of the core and one of the module under valgrind'
	@echo 'make bench [ARGS=…]   the benchmarks, beside peers; see bench/README.md'
	@echo 'make charts           what the last of them measured, as docs/img/*.svg and in bench/README.md'
	@echo 'make bench-openresty  what the requests of an nginx pay, its database at work and frozen'
	@echo 'make install [PREFIX=…] [DESTDIR=…]'
	@echo 'make clean'
