/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command `top`: the live view of a running server.
 */
#ifndef STATUS_TOP_H
#define STATUS_TOP_H

/* Shows the server that listens at the control socket `path` until the user leaves. Returns the
 * exit code. */
int top_run(const char *path);

#endif
