-- A PostgreSQL cluster with TLS, whose certificate nobody vouches for.

local process = require "spec.support.process"

local tls = {}

-- Starts it in a folder; runs what `psql_options` say, and the shell's `then_run`. → its conninfo by TCP.
function tls.start(dir, psql_options, then_run)
    local result = process.run(([[
        set -e
        conninfo=$("$WRITEBEHIND_ROOT/scripts/postgres" start %s --tcp)
        cd %s
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem
        chmod 600 key.pem
        chown --reference=data key.pem cert.pem
        psql -X -q -v ON_ERROR_STOP=1 -d "$conninfo" -c "ALTER SYSTEM SET ssl_cert_file = '$PWD/cert.pem'" \
            -c "ALTER SYSTEM SET ssl_key_file = '$PWD/key.pem'" -c "ALTER SYSTEM SET ssl = on" %s >&2
        %s
        psql -X -q -d "$conninfo" -c "SELECT pg_reload_conf()" >&2
        echo "$conninfo"]]):format(dir, dir, psql_options, then_run or ""))
    assert(result.code == 0, result.err)
    return (result.out:gsub("\n$", ""))
end

function tls.stop(dir)
    process.run(('"$WRITEBEHIND_ROOT/scripts/postgres" stop %s fast'):format(dir))
end

return tls
