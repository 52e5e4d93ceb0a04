# SPDX-License-Identifier: BSD-2-Clause
#
# HAProxy in TCP mode.
package Bench::Peers::Haproxy;

use strict;
use warnings;
use Bench::Peers::Config qw(config);

sub start {
    my ($at, $option) = @_;
    my $room = int($at->{room} * 0.75);         # its pipes for splice() need descriptors too
    my $bind = "$at->{listen}:$at->{port} backlog 4096";
    $bind .= " ssl crt $at->{pem} ssl-min-ver TLSv1.3" if $at->{is_tls};
    my $tls = $at->{server_ca} ? "ssl verify required ca-file $at->{server_ca} "
        . 'verifyhost pop3.bench sni str(pop3.bench) ssl-min-ver TLSv1.3' : '';
    my $user = $at->{user} ? "user $at->{user}" : '';
    return ($at->{binary}, '-db', '-f', config($at, 'haproxy.cfg', <<"END"));
global
    nbthread $at->{cores}
    maxconn $room
    $user
    tune.pipesize 1048576
defaults
    mode tcp
    maxconn $room
    timeout connect 10s
    timeout client 10m
    timeout server 10m
    ${\($option || '')}
listen pop3
    bind $bind
    server canned $at->{server}:$at->{server_port} $tls
END
}

sub start_splice { return start($_[0], 'option splice-response') }

1;
