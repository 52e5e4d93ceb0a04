/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Short names of the groups and limits, as sandbox_role.def and sandbox_calls.def have them. Only the
 * files that include these tables include this one.
 */
#ifndef BASE_SANDBOX_NAMES_H
#define BASE_SANDBOX_NAMES_H

#include "base/sandbox_parts.h"

#define NO_FORK SANDBOX_LIMIT_NO_FORK
#define NO_CODE SANDBOX_LIMIT_NO_CODE

#define NOBODY      SANDBOX_GROUP_NOBODY
#define COMMON      SANDBOX_GROUP_COMMON
#define ACCEPT      SANDBOX_GROUP_ACCEPT
#define CONNECT     SANDBOX_GROUP_CONNECT
#define TABLES      SANDBOX_GROUP_TABLES
#define DATAGRAM    SANDBOX_GROUP_DATAGRAM
#define SYSLOG      SANDBOX_GROUP_SYSLOG
#define ASK         SANDBOX_GROUP_ASK
#define SPLICE      SANDBOX_GROUP_SPLICE
#define LOOP        SANDBOX_GROUP_LOOP
#define READ_FILES  SANDBOX_GROUP_READ_FILES
#define WRITE_FILES SANDBOX_GROUP_WRITE_FILES
#define THREADS     SANDBOX_GROUP_THREADS
#define STDIO       SANDBOX_GROUP_STDIO
#define FLAGS       SANDBOX_GROUP_FLAGS

#endif
