# SPDX-License-Identifier: BSD-2-Clause
#
# hitch and stunnel: they end TLS for any protocol.
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

# One service for each side with TLS; for both sides two of them in a row.
sub stunnel_services {
    my ($at) = @_;
    my ($here, $server) = ("$at->{listen}:$at->{port}", "$at->{server}:$at->{server_port}");
    my $between = "$at->{listen}:" . $at->{free_port}->();
    my $is_both = $at->{is_tls} && $at->{server_ca};
    my ($front_to, $back_at) = $is_both ? ($between, $between) : ($server, $here);
    my $text = '';
    $text .= <<"END" if $at->{is_tls};
[clients]
accept = $here
connect = $front_to
cert = $at->{pem}
END
    $text .= <<"END" if $at->{server_ca};
[server]
client = yes
accept = $back_at
connect = $server
CAfile = $at->{server_ca}
verifyChain = yes
checkHost = pop3.bench
sni = pop3.bench
END
    return $text;
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
sslVersionMin = TLSv1.3
sessionCacheSize = 20000
TIMEOUTclose = 0
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
@{[stunnel_services($at)]}
END
}

1;
