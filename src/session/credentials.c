/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of the credentials.
 */
#include "session/credentials.h"

#include <string.h>

void credentials_wipe(struct credentials *credentials)
{
    buffer_clear(&credentials->memory);
    *credentials = (struct credentials){0};
}

char *credentials_room(struct credentials *credentials, size_t size)
{
    size_t room;
    char *memory;

    credentials->memory.is_secret = true;
    memory = buffer_room(&credentials->memory, size, &room);
    if (memory == NULL || room < size)
        return NULL;
    buffer_added(&credentials->memory, size);
    return memory;
}

char *credentials_keep(struct credentials *credentials, const char *text, size_t length)
{
    char *kept = credentials_room(credentials, length + 1);

    if (kept == NULL)
        return NULL;
    memcpy(kept, text, length);
    kept[length] = '\0';
    return kept;
}

void credentials_give_back(struct credentials *credentials, size_t length)
{
    struct buffer *memory = &credentials->memory;

    if (buffer_length(memory) <= length)
        return;
    explicit_bzero(buffer_data(memory) + length, buffer_length(memory) - length);
    memory->end = memory->start + (uint32_t)length;
}

bool credentials_have_password(const struct credentials *credentials)
{
    const struct sasl_mechanism_info *info = sasl_mechanism_info(credentials->mechanism);

    return credentials->mechanism != SASL_MECHANISM_EXTERNAL && (info == NULL || !info->is_token);
}
