/* SPDX-License-Identifier: MIT
 * Where a spool may be: wb_root_check. The kinds of file systems are by their numbers (statfs(2), linux/magic.h). */
#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/env.h"
#include "spool/disk.h"
#include "spool/folder.h"

static const struct kind {
    uint32_t magic;
    const char *name, *why;
} kinds[] = {
#define NETWORK                                                                                    \
    "a file on the network may be changed, or be gone, under a program that has it mapped"
#define COPIES "it copies what is written, and can have no room for it later than it said"
    {0x6969, "NFS", NETWORK},         {0x517b, "SMB", NETWORK},
    {0xff534d42, "CIFS", NETWORK},    {0xfe534d42, "SMB", NETWORK},
    {0x5346414f, "AFS", NETWORK},     {0x73757245, "Coda", NETWORK},
    {0x01021997, "9P", NETWORK},      {0x65735546, "FUSE", NETWORK},
    {0x00c36400, "Ceph", NETWORK},    {0x0bd00bd0, "Lustre", NETWORK},
    {0x01161970, "GFS2", NETWORK},    {0x7461636f, "OCFS2", NETWORK},
    {0x9123683e, "Btrfs", COPIES},    {0x2fc12fc1, "ZFS", COPIES},
    {0xca451a4e, "bcachefs", COPIES},
};

enum { TMPFS = 0x01021994, RAMFS = 0x858458f6 };

static int check_kind(const char *root, bool outlives_machine, wb_err *err)
{
    struct statfs status;
    if (statfs(root, &status) != 0)
        return wb_fail(err, WB_MISUSE, "spool.path %s: %s", root, strerror(errno));
    uint32_t magic = (uint32_t)status.f_type;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (magic == kinds[i].magic)
            return wb_fail(err, WB_MISUSE, "spool.path %s is on %s: %s; take a local disk", root,
                           kinds[i].name, kinds[i].why);
    if (outlives_machine && (magic == (uint32_t)TMPFS || magic == (uint32_t)RAMFS))
        return wb_fail(err, WB_MISUSE,
                       "spool.path %s is in memory, which does not outlive the machine: take a "
                       "disk, or durability = \"process\"",
                       root);
    return WB_OK;
}

static int check_status(const char *root, const struct stat *status, wb_err *err)
{
    if (S_ISLNK(status->st_mode))
        return wb_fail(err, WB_MISUSE, "spool.path %s is a symbolic link: name the folder itself",
                       root);
    if (!S_ISDIR(status->st_mode))
        return wb_fail(err, WB_MISUSE, "spool.path %s is no folder", root);
    if (status->st_uid != geteuid())
        return wb_fail(err, WB_MISUSE,
                       "spool.path %s is of user %u, and this process is of user %u", root,
                       (unsigned)status->st_uid, (unsigned)geteuid());
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return wb_fail(err, WB_MISUSE,
                       "spool.path %s: others can write there (mode %03o): chmod 700", root,
                       (unsigned)(status->st_mode & 0777));
    return WB_OK;
}

static int sync_parent(const char *root, wb_err *err)
{
    char *copy = wb_strdup(root);
    int code = copy != NULL ? wb_disk_sync_folder(dirname(copy), err)
                            : wb_fail(err, WB_MEMORY, "spool: out of memory");
    wb_free(copy);
    return code;
}

int wb_root_check(const char *root, bool outlives_machine, wb_err *err)
{
    struct stat status;
    bool made = mkdir(root, S_IRWXU) == 0;
    if (!made && errno != EEXIST)
        return wb_fail(err, WB_MISUSE, "spool.path %s can't be made: %s", root, strerror(errno));
    if (lstat(root, &status) != 0)
        return wb_fail(err, WB_MISUSE, "spool.path %s: %s", root, strerror(errno));
    int code = check_status(root, &status, err);
    if (code == WB_OK)
        code = check_kind(root, outlives_machine, err);
    return code == WB_OK && made && outlives_machine ? sync_parent(root, err) : code;
}
