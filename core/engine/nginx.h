/* SPDX-License-Identifier: MIT
 * A worker of nginx's that ends has little time: at TERM the master process kills it 1.5 s later. A child of fork is no
 * process of nginx's, and can go on. Tried with nginx 1.22.1 (Debian 12) and its Lua module. */
#ifndef WB_NGINX_H
#define WB_NGINX_H

#include <sys/types.h>

#include <writebehind.h>

/* So long after a hurried exit began it is safe to wait in the worker itself. */
enum { WB_NGINX_SAFE_US = 500000 };

/* Is this process a worker of nginx's that was told to stop? It may become so at any time; once true, it need not
 * be asked again. Only for an exit handler. */
bool wb_nginx_is_hurried(void);
/* Is this nginx's first process, whose workers are yet to be forked, or one that serves nobody? */
bool wb_nginx_is_no_worker(void);
/* As fork. The child keeps stderr and what the library itself needs, so no port, no client, no file of nginx's, and is in
 * a session of its own. No other thread may be in this library. */
pid_t wb_nginx_fork(void);
/* In that child: was it told to end (TERM, INT)? */
bool wb_nginx_child_is_told(void);

#endif
