/* SPDX-License-Identifier: MIT
 * A database whose file was moved away, replaced or removed while it is open. SQLite finds the write-ahead log by the
 * database's name, and once the name is another file's, it leaves the log as it is when it closes: what was committed
 * would be in neither file, and be replayed into whatever has the name next (SQLite, "How To Corrupt An SQLite Database
 * File", 4.3 and 4.4). So the log is emptied into the file that it belongs to, and its name is freed. Another connection
 * to the old file keeps its log without a name, and does the same in its turn.
 * No locks: a connection is one thread's. Fails by SQLite's status, where somebody reads the old file still. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "stores/sqlite/sqlite.h"

static char *beside(const wb_sqlite_connection *connection, const char *suffix)
{
    wb_buffer path = WB_BUFFER_EMPTY;
    wb_buffer_put_text(&path, connection->path);
    wb_buffer_put_text(&path, suffix);
    return wb_buffer_take(&path, NULL);
}

/* The first read opens the log. */
void wb_sqlite_log_opened(wb_sqlite_connection *connection)
{
    struct stat status;
    sqlite3_exec(connection->db, "PRAGMA schema_version", NULL, NULL, NULL);
    char *path = beside(connection, "-wal");
    bool known = path != NULL && stat(path, &status) == 0;
    connection->log_device = known ? status.st_dev : 0;
    connection->log_inode = known ? status.st_ino : 0;
    wb_free(path);
}

bool wb_sqlite_moved(wb_sqlite_connection *connection)
{
    int moved = 0;
    return sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) ==
               SQLITE_OK &&
           moved != 0;
}

static void free_names(const wb_sqlite_connection *connection)
{
    struct stat status;
    char *log = beside(connection, "-wal"), *index = beside(connection, "-shm");
    bool ours = log != NULL && index != NULL && stat(log, &status) == 0 &&
                status.st_dev == connection->log_device && status.st_ino == connection->log_inode;
    if (ours) {
        unlink(log);
        unlink(index);
    }
    wb_free(log);
    wb_free(index);
}

int wb_sqlite_leave_moved(wb_sqlite_connection *connection)
{
    if (!wb_sqlite_moved(connection))
        return SQLITE_OK;
    int status =
        sqlite3_wal_checkpoint_v2(connection->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (status == SQLITE_OK)
        free_names(connection);
    return status;
}
