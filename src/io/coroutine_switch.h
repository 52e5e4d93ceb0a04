/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch from one stack to another, for each kind of processor. Only coroutine.c includes this.
 *
 *   void coroutine_switch(void **save, void *to)
 *       Saves the registers that a function must preserve on the current stack, stores the stack
 *       pointer in *save, and continues where `to` was saved. It makes no system call, and leaves
 *       the signal mask and the floating point modes, which nobody changes, as they are.
 *   void *coroutine_prepare(char *top, void (*enter)(void))
 *       Returns a stack pointer below `top`; coroutine_switch() to it calls `enter`.
 *   bool coroutine_can_switch(void)
 *       See coroutine_is_supported().
 *
 * On other processors it uses ucontext, which makes a system call for each switch.
 */
#ifndef IO_COROUTINE_SWITCH_H
#define IO_COROUTINE_SWITCH_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && !defined(COROUTINE_PORTABLE)

void coroutine_switch(void **save, void *to);

__asm__(".text\n"
        ".p2align 4\n"
        ".hidden coroutine_switch\n"
        ".globl coroutine_switch\n"
        ".type coroutine_switch, @function\n"
        "coroutine_switch:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size coroutine_switch, .-coroutine_switch\n");

enum { SAVED_REGISTERS = 6 };

static inline void *coroutine_prepare(char *top, void (*enter)(void))
{
    /* After the address of `enter` comes a zero, the return address of `enter`: there a debugger
     * stops, and the stack is aligned as it is after a call. */
    uint64_t frame[SAVED_REGISTERS + 2] = {0};
    char *bottom = top - sizeof(frame) - 8 - (uintptr_t)top % 16;

    frame[SAVED_REGISTERS] = (uint64_t)(uintptr_t)enter;
    bottom -= (uintptr_t)bottom % 16;
    memcpy(bottom, frame, sizeof(frame));
    return bottom;
}

/* A switch does not change the shadow stack, if the process has one. */
static inline bool coroutine_can_switch(void)
{
    uint64_t shadow_stack = 0;

    __asm__ volatile("rdsspq %0" : "+r"(shadow_stack)); /* without one: a no-op */
    return shadow_stack == 0;
}

#elif defined(__aarch64__) && !defined(COROUTINE_PORTABLE)

void coroutine_switch(void **save, void *to);

__asm__(".text\n"
        ".p2align 4\n"
        ".hidden coroutine_switch\n"
        ".globl coroutine_switch\n"
        ".type coroutine_switch, %function\n"
        "coroutine_switch:\n"
        "    .cfi_startproc\n"
        "    hint #34\n" /* bti c */
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size coroutine_switch, .-coroutine_switch\n");

enum { SAVED_REGISTERS = 20, SAVED_RETURN = 11 };

static inline void *coroutine_prepare(char *top, void (*enter)(void))
{
    uint64_t frame[SAVED_REGISTERS] = {0};
    char *bottom = top - sizeof(frame) - (uintptr_t)top % 16;

    frame[SAVED_RETURN] = (uint64_t)(uintptr_t)enter;
    memcpy(bottom, frame, sizeof(frame));
    return bottom;
}

static inline bool coroutine_can_switch(void)
{
    return true;
}

#else

#include <ucontext.h>

/* The context lies on the stack that it saves, so it needs no memory of its own. */
static void __attribute__((noinline)) coroutine_switch(void **save, void *to)
{
    ucontext_t here;

    /* `here` exists until this stack is switched to again. */
    /* cppcheck-suppress autoVariables */
    *save = &here;
    (void)swapcontext(&here, to);
}

static inline void *coroutine_prepare(char *top, void (*enter)(void))
{
    ucontext_t *context =
        (ucontext_t *)(void *)(top - sizeof(*context) - (uintptr_t)(top - sizeof(*context)) % 64);
    char *bottom = (char *)context - 64 * 1024;

    getcontext(context);
    context->uc_stack.ss_sp = bottom;
    context->uc_stack.ss_size = (size_t)((char *)context - bottom);
    context->uc_link = NULL;
    makecontext(context, enter, 0);
    return context;
}

static inline bool coroutine_can_switch(void)
{
    return true;
}

#endif

#endif
