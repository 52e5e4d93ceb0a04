/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers to a request that the helper works on. Each request brought a descriptor of its own: its
 * answer is sent there, and closing it ends the request.
 */
#ifndef HELPER_JOB_H
#define HELPER_JOB_H

#include <stddef.h>

#include "helper/message.h"

/* Sends one message of an answer and waits for nothing. IO_AGAIN: the asking side is slow; try
 * again when the descriptor is writable. IO_FAILED: it is gone. */
enum io_status job_answer(int answer_fd, enum message_kind kind, const void *data, size_t length);

/* Sends the MESSAGE_RESULT that ends an answer, and closes the descriptor. */
void job_finish(int answer_fd, enum message_result result);

#endif
