/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells the service manager what the server does (systemd's sd_notify). Without a service manager
 * these functions do nothing.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

#include <stddef.h>

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
/* The line that `systemctl status` shows. */
void notify_status(size_t busy, size_t idle);
/* How often to call notify_alive(), in seconds: half of the watchdog's interval; 0: there is no
 * watchdog. */
double notify_watchdog_s(void);
void notify_alive(void);

#endif
