/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the service manager is told (systemd's sd_notify). Without systemd nobody is told.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

#include <stddef.h>

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
/* One line for people. */
void notify_status(size_t busy, size_t idle);
/* The interval in which the watchdog wants to hear of us, halved, in seconds; 0: it is off. */
double notify_watchdog_s(void);
void notify_alive(void);

#endif
