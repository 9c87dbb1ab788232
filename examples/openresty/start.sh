# shellcheck shell=bash
# What an example's `run` needs around it: a database, nginx on a free port of 127.0.0.1, and their end.
#   start NAME [--stay] [CONNINFO]   nginx serves at $url; the example's table, if it has one, is in $DATABASE_URL
#   stay                             with --stay: waits for Ctrl-C
#   stop_nginx                       in order: requests in hand are answered, rows are stored
#   ask, show                        requests by curl, questions to the database
# NGINX=… names another nginx than that of PATH (`openresty`), PORT=… the port.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATH=$PATH:/usr/sbin
NGINX=${NGINX:-nginx}

fail() {
    echo "$example: $*" >&2
    exit 1
}

end_nginx() {
    local ending=$nginx
    nginx=''
    [ -z "$ending" ] || {
        kill -s QUIT "$ending" 2>/dev/null || true
        wait "$ending"
    }
}

finish() {
    end_nginx || true
    [ ! -e "$scratch/pg/pid" ] || "$root/scripts/postgres" stop "$scratch/pg"
    rm -rf "$scratch"
}

read_arguments() {
    example=$1 staying=false DATABASE_URL='' nginx=''
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            --stay) staying=true ;;
            -*) fail "unknown option '$1' (--stay, and a database's URL or conninfo)" ;;
            *) DATABASE_URL=$1 ;;
        esac
        shift
    done
    here=$root/examples/openresty/$example
}

# What was built for LuaJIT; an environment of `make -s env LUA=luajit` stays as it is.
use_module() {
    if [ "${WRITEBEHIND_LUA:-}" != luajit ]; then
        "$root/scripts/setup" test
        make -s -C "$root" LUA=luajit module
        eval "$(make -s -C "$root" env LUA=luajit)"
    fi
    export LUA_PATH="$here/?.lua;$root/examples/?.lua;$LUA_PATH"
}

use_database() {
    if [ -z "$DATABASE_URL" ]; then
        echo "$example: starting a private PostgreSQL"
        DATABASE_URL=$("$root/scripts/postgres" start "$scratch/pg")
    fi
    export DATABASE_URL
    export PGOPTIONS="${PGOPTIONS:-} -c client_min_messages=warning"
    psql -Xq -v ON_ERROR_STOP=1 -d "$DATABASE_URL" -f "$here/table.sql"
}

# The example's own nginx.conf, but for the port and for folders that anyone can write to.
write_configuration() {
    local use folders=
    for use in client_body proxy fastcgi uwsgi scgi; do
        folders+="${use}_temp_path temp_$use; "
    done
    sed -e "s/127\.0\.0\.1:8080/127.0.0.1:$port/" -e "s/^http {/& $folders/" "$here/nginx.conf" >"$scratch/nginx.conf"
}

# What goes before the configuration: modules where they are not built in, as in OpenResty's nginx, and, for root,
# workers that can read this folder too.
globals() {
    local module
    for module in ndk_http_module ngx_http_lua_module; do
        [ ! -e "/usr/lib/nginx/modules/$module.so" ] || printf 'load_module /usr/lib/nginx/modules/%s.so; ' "$module"
    done
    [ "$(id -u)" != 0 ] || printf 'user root; '
    echo 'daemon off; pid nginx.pid;'
}

# nginx has its sockets when it has written its id. In a session of its own, no Ctrl-C is meant for it.
launch() {
    write_configuration
    setsid "$NGINX" -p "$scratch/" -e error.log -c nginx.conf -g "$(globals)" >"$scratch/stdout" 2>&1 &
    nginx=$!
    while [ ! -s "$scratch/nginx.pid" ]; do
        kill -0 "$nginx" 2>/dev/null || {
            wait "$nginx" || true
            nginx=''
            return 1
        }
        sleep 0.05
    done
}

start_nginx() {
    local try
    for try in 1 2 3 4 5; do
        port=${PORT:-$((20000 + (RANDOM * 32768 + RANDOM) % 12000))}
        launch && break
        { [ -z "${PORT:-}" ] && [ "$try" != 5 ] && grep -q 'Address already in use' "$scratch/stdout"; } ||
            fail "$NGINX does not start: $(awk '!seen[$0]++' "$scratch/stdout")"
    done
    url=http://127.0.0.1:$port
    echo "$example: nginx serves $url"
}

stop_nginx() {
    local status=0
    end_nginx || status=$?
    grep -E '\[(error|alert|emerg)\]|writebehind' "$scratch/error.log" >&2 || true
    [ "$status" = 0 ] || fail "nginx ended with status $status"
}

start() {
    read_arguments "$@"
    scratch=$(mktemp -d)
    chmod 755 "$scratch" # the database's user passes through
    trap finish EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    use_module
    [ ! -e "$here/table.sql" ] || use_database
    start_nginx
}

stay() {
    local over=false
    $staying || return 0
    trap 'over=true' INT TERM
    echo "$example: Ctrl-C ends it"
    wait "$nginx" || true
    $over || fail "nginx ended by itself: $(cat "$scratch/error.log")"
    trap 'exit 130' INT TERM
}

ask() {
    curl -sS -o /dev/null "$@"
}

show() {
    echo
    echo "$1"
    psql -X -d "$DATABASE_URL" -P pager=off -P footer=off -c "$2"
}

value() {
    psql -XAtq -d "$DATABASE_URL" -c "$1"
}
