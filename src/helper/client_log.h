/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client log: a file per client address with its last successful login.
 */
#ifndef HELPER_CLIENT_LOG_H
#define HELPER_CLIENT_LOG_H

/*
 * Writes `line` to DIRECTORY/`client` by way of a temporary file and a rename, so that a reader
 * sees the old line or the new one, whole. `client` must be an address as text; anything with a
 * slash is refused. Returns 0, or -1 after logging why, as of `session`.
 */
int client_log_write(const char *directory, const char *session, const char *client,
                     const char *line);

#endif
