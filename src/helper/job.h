/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request the helper is working on: who waits for the answer, and how to call it off.
 */
#ifndef HELPER_JOB_H
#define HELPER_JOB_H

#include <stddef.h>

#include "helper/message.h"

/* Sends one message of an answer without waiting. IO_AGAIN: the asking side is slow; IO_FAILED: it
 * is gone. */
enum io_status job_answer(int answer_fd, enum message_kind kind, const void *data, size_t length);

/* Sends the closing MESSAGE_RESULT and closes the descriptor. */
void job_finish(int answer_fd, enum message_result result);

#endif
