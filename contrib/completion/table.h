/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Not compiled: the C preprocessor makes lines of the tables, and words.awk makes the lists of
 * pop3.proxy.template of them.
 */
#define HEADING(word, title) group word
#define CONF_FLAG(name, scope, option, value, help) key scope name option FLAG
#define CONF_NUMBER(name, scope, option, value, min, max, unit, help) key scope name option NUMBER
#define CONF_TEXT(name, scope, option, value, argument, check, help) key scope name option argument
#define CONF_CHOICE(name, scope, option, value, choices, help) key scope name option choices
#include "config/conf_keys.def"
#define OPERATOR_COMMAND(name, word, arguments, help, order) command word arguments
#include "config/operator_command.def"
#define OUTCOME(name, reason, level, properties, reply, explanation) told reason
#include "session/outcome.def"
#define EVENT(name, word, level, other, explanation) told word
#include "base/event.def"
#define COMPARE_OPTION(name, word, argument, help) compare word argument
#include "compare/compare_option.def"
