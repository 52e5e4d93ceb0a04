# SPDX-License-Identifier: BSD-2-Clause
#
# hitch and stunnel: they end TLS in front of anything.
package Bench::Peers::Tls;

use strict;
use warnings;
use Bench::Peers::Config qw(config);

sub start_hitch {
    my ($at) = @_;
    my $user = $at->{user} ? "user = \"$at->{user}\"\ngroup = \"$at->{group}\"" : '';
    return ($at->{binary}, '--config=' . config($at, 'hitch.conf', <<"END"));
frontend = "[$at->{listen}]:$at->{port}"
backend = "[$at->{server}]:$at->{server_port}"
pem-file = "$at->{pem}"
workers = $at->{cores}
backlog = 4096
tls-protos = TLSv1.3
daemon = off
syslog = off
log-level = 1
$user
END
}

sub start_stunnel {
    my ($at) = @_;
    my $user = $at->{user} ? "setuid = $at->{user}\nsetgid = $at->{group}" : '';
    return ($at->{binary}, config($at, 'stunnel.conf', <<"END"));
foreground = yes
pid =
output = $at->{dir}/stunnel.log
debug = 3
syslog = no
$user
[pop3]
accept = $at->{listen}:$at->{port}
connect = $at->{server}:$at->{server_port}
cert = $at->{pem}
sslVersionMin = TLSv1.3
sessionCacheSize = 20000
TIMEOUTclose = 0
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
END
}

1;
