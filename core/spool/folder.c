/* SPDX-License-Identifier: MIT
 * See folder.h. The list of this process's folders has a lock of its own, held for links only, and over a fork. */
#include "spool/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/uuid.h"
#include "spool/disk.h"

#define OWNER_FORMAT "writebehind spool 1\nkind %s\nname %s\n"
enum { ABANDONED_S = 60, RESERVE = 256 * 1024 };

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static wb_folder *folders;
static bool kept_over_fork;

/* ---- over a fork ---- */

static void hold_over_fork(void)
{
    pthread_mutex_lock(&list_lock);
}

static void go_on_in_parent(void)
{
    pthread_mutex_unlock(&list_lock);
}

static void let_go_in_child(void)
{
    for (wb_folder *folder = folders; folder != NULL && !kept_over_fork; folder = folder->next) {
        close(folder->lock);
        folder->lock = -1;
    }
    if (!kept_over_fork)
        folders = NULL;
    pthread_mutex_unlock(&list_lock);
}

static void watch_forks(void)
{
    pthread_atfork(hold_over_fork, go_on_in_parent, let_go_in_child);
}

void wb_folders_keep_over_fork(bool keep)
{
    pthread_mutex_lock(&list_lock);
    kept_over_fork = keep;
    pthread_mutex_unlock(&list_lock);
}

bool wb_folder_is_lock(int fd)
{
    bool found = false;
    pthread_mutex_lock(&list_lock);
    for (const wb_folder *folder = folders; folder != NULL && !found; folder = folder->next)
        found = folder->lock == fd;
    pthread_mutex_unlock(&list_lock);
    return found;
}

static void enter(wb_folder *folder)
{
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&list_lock);
    folder->next = folders;
    folders = folder;
    pthread_mutex_unlock(&list_lock);
}

static void leave(wb_folder *folder)
{
    pthread_mutex_lock(&list_lock);
    wb_folder **link = &folders;
    while (*link != NULL && *link != folder)
        link = &(*link)->next;
    if (*link != NULL)
        *link = folder->next;
    pthread_mutex_unlock(&list_lock);
}

/* ---- making one ---- */

static bool lock(int fd, int how)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int code;
    do
        code = fcntl(fd, how, &whole);
    while (code != 0 && errno == EINTR);
    return code == 0;
}

static int fail_at(const char *what, const char *path, int error, wb_err *err)
{
    return wb_fail(err, WB_STORE, "spool: can't %s %s: %s", what, path, strerror(error));
}

/* Locked before it says anything. Who looked at it before that has the lock for a moment, and leaves it as it is.
 * It has room that it does not need, if the disk has: see give_reserves_back. */
static int write_owner(const char *path, const char *kind, const char *name, int *fd, wb_err *err)
{
    char file[600], text[512];
    snprintf(file, sizeof file, "%s/owner", path);
    int bytes = snprintf(text, sizeof text, OWNER_FORMAT, kind, name);
    *fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (*fd < 0)
        return fail_at("make", file, errno, err);
    bool written = lock(*fd, F_OFD_SETLKW) && write(*fd, text, (size_t)bytes) == bytes;
    if (written)
        (void)fallocate(*fd, FALLOC_FL_KEEP_SIZE, 0, RESERVE);
    if (!written || fsync(*fd) != 0) {
        int error = errno;
        close(*fd);
        return fail_at("write", file, error, err);
    }
    return WB_OK;
}

static int make(const char *root, const char *kind, const char *name, wb_folder *out, wb_err *err)
{
    uint8_t id[16];
    char text[36], path[512];
    wb_env_system.random(NULL, id, sizeof id);
    wb_uuid_format(id, text);
    if (snprintf(path, sizeof path, "%s/%.36s", root, text) >= (int)sizeof path)
        return wb_fail(err, WB_MISUSE, "spool.path is too long: %s", root);
    *out = (wb_folder){.path = wb_strdup(path), .lock = -1};
    if (out->path == NULL)
        return wb_fail(err, WB_MEMORY, "spool: out of memory");
    int code = wb_disk_make_folder(path, err);
    if (code == WB_OK)
        code = write_owner(path, kind, name, &out->lock, err);
    if (code == WB_OK)
        code = wb_disk_sync_folder(root, err);
    if (code != WB_OK) {
        wb_folder_fini(out);
        return code;
    }
    return WB_OK;
}

static bool is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Nothing is in it but the owner's file. */
static bool is_empty(const char *path)
{
    DIR *folder = opendir(path);
    bool empty = folder != NULL;
    const struct dirent *entry;
    while (empty && (entry = readdir(folder)) != NULL)
        empty = !is_entry(entry) || strcmp(entry->d_name, "owner") == 0;
    if (folder != NULL)
        closedir(folder);
    return empty;
}

static void remove_empty(const char *path)
{
    char owner[600];
    snprintf(owner, sizeof owner, "%s/owner", path);
    if (is_empty(path) && (unlink(owner) == 0 || errno == ENOENT))
        rmdir(path);
}

void wb_folder_fini(wb_folder *folder)
{
    leave(folder);
    if (folder->path != NULL)
        remove_empty(folder->path);
    if (folder->lock >= 0)
        close(folder->lock);
    wb_free(folder->path);
    *folder = (wb_folder){.lock = -1};
}

/* ---- finding others' ---- */

/* The owner's file, locked by us; -1: somebody has it, or there is none. */
static int try_lock(const char *path)
{
    char file[600];
    snprintf(file, sizeof file, "%s/owner", path);
    int fd = open(file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && !lock(fd, F_OFD_SETLK)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Whoever had the lock may have moved or removed the folder before it was free. */
static bool is_still(const char *path, int fd)
{
    char file[600];
    struct stat there, ours;
    snprintf(file, sizeof file, "%s/owner", path);
    return lstat(file, &there) == 0 && fstat(fd, &ours) == 0 && there.st_ino == ours.st_ino &&
           there.st_dev == ours.st_dev;
}

/* Its owner is at it, or died before it said who it is. */
static bool is_silent(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_size == 0;
}

static bool is_owned_by(int fd, const char *kind, const char *name, char owner[256])
{
    char text[512] = "", ours[512], its_kind[32] = "", its_name[224] = "";
    ssize_t bytes = pread(fd, text, sizeof text - 1, 0);
    int wanted = snprintf(ours, sizeof ours, OWNER_FORMAT, kind, name);
    if (bytes == wanted && memcmp(text, ours, (size_t)wanted) == 0)
        return true;
    sscanf(text, "writebehind spool 1\nkind %31s\nname %223[^\n]", its_kind, its_name);
    snprintf(owner, 256, "%s %s", its_kind, its_name);
    return false;
}

bool wb_folder_owner(const char *path, char kind[32], char name[224], bool *held)
{
    char file[600], text[512] = "";
    snprintf(file, sizeof file, "%s/owner", path);
    int fd = open(file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    *held = !lock(fd, F_OFD_SETLK);
    bool read_it = pread(fd, text, sizeof text - 1, 0) > 0;
    close(fd);
    kind[0] = name[0] = '\0';
    sscanf(text, "writebehind spool 1\nkind %31s\nname %223[^\n]", kind, name);
    return read_it;
}

/* A folder whose owner died before it could say who it is. */
static void remove_abandoned(const char *path)
{
    struct stat status;
    if (lstat(path, &status) == 0 && wb_unix_us() / 1000000 - status.st_mtime > ABANDONED_S)
        remove_empty(path);
}

static bool take_over(const char *path, const char *id, const wb_folder *own, char to[512])
{
    return snprintf(to, 512, "%s/%.36s", own->path, id) < 512 && rename(path, to) == 0;
}

static int look_at(const char *path, const char *id, const wb_folder *own, const char *kind,
                   const char *name, wb_found_folder *out)
{
    int found = WB_FOUND_NONE;
    int fd = try_lock(path);
    if (fd < 0) {
        char file[600];
        snprintf(file, sizeof file, "%s/owner", path);
        if (access(file, F_OK) != 0)
            remove_abandoned(path);
        return WB_FOUND_NONE;
    }
    if (is_still(path, fd) && is_silent(fd)) {
        remove_abandoned(path);
    } else if (is_still(path, fd)) {
        snprintf(out->path, sizeof out->path, "%s", path);
        if (!is_owned_by(fd, kind, name, out->owner))
            found = WB_FOUND_OTHER;
        else if (is_empty(path))
            remove_empty(path);
        else if (take_over(path, id, own, out->path))
            found = WB_FOUND_OURS;
    }
    close(fd);
    return found;
}

/* A link that leads nowhere would have a name, and not be there. */
static bool is_folder(DIR *of, const struct dirent *entry)
{
    uint8_t id[16];
    struct stat status;
    if (strlen(entry->d_name) != 36 || !wb_uuid_parse(entry->d_name, 36, id))
        return false;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(dirfd(of), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(status.st_mode);
}

/* The name of folder number `at` of those below a path; its numbers change as folders come and go. */
static bool folder_at(const char *path, size_t at, char name[37])
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    bool found = false;
    while (folder != NULL && !found && (entry = readdir(folder)) != NULL)
        if (is_folder(folder, entry) && at-- == 0) {
            snprintf(name, 37, "%.36s", entry->d_name);
            found = true;
        }
    if (folder != NULL)
        closedir(folder);
    return found;
}

/* Of folders that nobody has, where the disk is full: who can't make one could not take over what fills it. */
static bool give_reserves_back(const char *root)
{
    char id[37], path[512];
    bool any = false;
    for (size_t at = 0; folder_at(root, at, id); at++) {
        struct stat status;
        int fd =
            snprintf(path, sizeof path, "%s/%s", root, id) < (int)sizeof path ? try_lock(path) : -1;
        if (fd < 0)
            continue;
        any = (fstat(fd, &status) == 0 && ftruncate(fd, status.st_size) == 0) || any;
        close(fd);
    }
    return any;
}

int wb_folder_make(const char *root, const char *kind, const char *name, wb_folder *out,
                   wb_err *err)
{
    int code = make(root, kind, name, out, err);
    if (code == WB_STORE && give_reserves_back(root))
        code = make(root, kind, name, out, err);
    if (code == WB_OK)
        enter(out);
    return code;
}

int wb_folder_find(const char *root, const wb_folder *own, const char *kind, const char *name,
                   size_t *at, wb_found_folder *out)
{
    char id[37], path[512];
    while (folder_at(root, *at, id)) {
        ++*at;
        int bytes = snprintf(path, sizeof path, "%s/%s", root, id);
        if (bytes >= (int)sizeof path || strcmp(path, own->path) == 0)
            continue;
        int found = look_at(path, id, own, kind, name, out);
        if (access(path, F_OK) != 0) /* the next one has its number */
            --*at;
        if (found != WB_FOUND_NONE)
            return found;
    }
    return WB_FOUND_NONE;
}

bool wb_folder_has_inner(const wb_folder *own)
{
    DIR *folder = opendir(own->path);
    const struct dirent *entry;
    bool has = folder == NULL;
    while (!has && (entry = readdir(folder)) != NULL)
        has = is_folder(folder, entry);
    if (folder != NULL)
        closedir(folder);
    return has;
}

bool wb_folder_inner(const wb_folder *own, size_t *at, char path[512])
{
    char id[37];
    if (!folder_at(own->path, *at, id))
        return false;
    ++*at;
    return snprintf(path, 512, "%s/%s", own->path, id) < 512;
}
