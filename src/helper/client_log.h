/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client log: for each client address a file with its last successful login.
 */
#ifndef HELPER_CLIENT_LOG_H
#define HELPER_CLIENT_LOG_H

/*
 * Writes `line` to the file `client` of the directory: to a temporary file, which is then renamed,
 * so that a reader sees either the old line or the new one. `client` is an address as text; a name
 * with a slash is refused. Returns 0, or -1 where it failed; the log then says why, under the id
 * `session`.
 */
int client_log_write(const char *directory, const char *session, const char *client,
                     const char *line);

#endif
