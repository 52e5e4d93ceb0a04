# SPDX-License-Identifier: BSD-2-Clause
#
# perdition, which forks for each connection.
package Bench::Peers::Perdition;

use strict;
use warnings;

sub start {
    my ($at) = @_;
    my @user = $at->{user} ? ('-u', $at->{user}, '-g', $at->{group}) : ();
    return ($at->{binary}, '--no_daemon', '-f', '/dev/null', '-P', 'POP3', '-b', $at->{listen},
            '-l', $at->{port}, '-s', $at->{server}, '-p', $at->{server_port}, '-M', '', '-n', '-q',
            '--ssl_mode', 'none', '--pid_file', '', '-F', "$at->{dir}/perdition.log", @user);
}

1;
