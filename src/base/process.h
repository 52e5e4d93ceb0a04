/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <sys/types.h>

/* getpid() without asking the system each time; right in forked children as well. */
pid_t process_id(void);

#endif
