# SPDX-License-Identifier: BSD-2-Clause
#
# The floor: a relay that does not look at the octets, as an event loop and as a preforked pool.
package Bench::Peers::Floor;

use strict;
use warnings;

sub start_blocking {
    my ($at) = @_;
    my $is_holding = $at->{workload} =~ /^(idle|wan)/;
    return ("$at->{programs}/relay_floor", '--with-parent', '--mode', 'blocking',
            '--listen', "$at->{listen}:$at->{port}", '--server', "$at->{server}:$at->{server_port}",
            '--buffer', 262144, '--workers', 4,
            '--max-workers', $is_holding ? $at->{sessions} + 8 : 4);
}

sub start_event {
    my ($at) = @_;
    return ("$at->{programs}/relay_floor", '--with-parent', '--mode', 'event',
            '--listen', "$at->{listen}:$at->{port}", '--server', "$at->{server}:$at->{server_port}",
            '--buffer', 262144);
}

1;
