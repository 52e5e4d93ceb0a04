/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the settings let a helper connect to: only name servers, unless it asks tables that are
 * servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/conf_sandbox.h"

static struct sandbox_view view;

static void look(const char *route)
{
    struct conf_values values = {.route = (char *)(uintptr_t)route};
    struct conf_instance instance = {.values = &values};

    conf_sandbox_helper(&instance, &view);
}

static void expect_name_servers_only(const char *route)
{
    look(route);
    assert_true(view.has_ports);
    assert_int_equal(view.port_count, 1);
    assert_int_equal(view.ports[0], 53);
}

static void test_ports_of_helper(void **state)
{
    (void)state;
    expect_name_servers_only(NULL);
    expect_name_servers_only("file:/etc/table");
    expect_name_servers_only("file:/etc/table, regexp:/etc/more");
    look("socketmap:inet:127.0.0.1:4711:name");
    assert_false(view.has_ports);
    look("file:/etc/table, http://127.0.0.1/auth");
    assert_false(view.has_ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ports_of_helper)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
