/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/notify.h"

#include "config.h"

#ifdef HAVE_SYSTEMD

#include <inttypes.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

void notify_ready(void)
{
    /* The process may be another one than systemd started: an upgrade. */
    sd_notifyf(0, "READY=1\nMAINPID=%d", (int)getpid());
}

void notify_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
               (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void notify_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}

void notify_status(size_t busy, size_t idle)
{
    sd_notifyf(0, "STATUS=%zu workers busy, %zu idle", busy, idle);
}

double notify_watchdog_s(void)
{
    uint64_t interval_us = 0;

    return sd_watchdog_enabled(0, &interval_us) > 0 ? (double)interval_us / 2e6 : 0.0;
}

void notify_alive(void)
{
    sd_notify(0, "WATCHDOG=1");
}

#else

void notify_ready(void)
{
}

void notify_reloading(void)
{
}

void notify_stopping(void)
{
}

void notify_status(size_t busy, size_t idle)
{
    (void)busy;
    (void)idle;
}

double notify_watchdog_s(void)
{
    return 0.0;
}

void notify_alive(void)
{
}

#endif
