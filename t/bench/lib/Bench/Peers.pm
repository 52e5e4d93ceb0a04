# SPDX-License-Identifier: BSD-2-Clause
#
# The peers of the benchmark: which program each needs, which workloads it can do, and which
# function (Bench::Peers::*) writes its configuration into a directory of its own. Each gets the
# settings that a careful operator uses for many short sessions, and none that switches off its
# purpose. Peers that can run without a log do.
#
# A peer's `start` gets a hash: dir, listen, port, server, server_port, auth_port, is_tls (with
# clients), pem, cert, key, server_ca (set: TLS with the server, which is pop3.bench, on
# server_port; a file to trust it by), cores (how many), sessions (at once), room (how many sessions
# the limit of descriptors allows), workload, proxy, programs, user, group, binary, note (a function
# for a remark), free_port (a function), grown (how large), kind (of table). It writes the files and
# returns the command line. Processes that it needs beside itself go to `companions`; they are ended
# with it, and what they cost is not counted.
package Bench::Peers;

use strict;
use warnings;
use Bench::Options;
use Bench::Peers::Dovecot;
use Bench::Peers::Floor;
use Bench::Peers::Haproxy;
use Bench::Peers::Nginx;
use Bench::Peers::Perdition;
use Bench::Peers::Product;
use Bench::Peers::Routed;
use Bench::Peers::Tls;
use Bench::System qw(in_path);

# In the order of the tables.
# needs: programs of which one must be installed; `proxy` and `programs` are the project's own.
# plain: works without TLS; tls: the sides where it has TLS. only: a pattern of workloads it is in;
# slow: one of workloads that leave it out unless --peer names it.
my @peers = (
    {name => 'direct', label => 'direct, no proxy', plain => 1},
    {name => 'floor_event', label => 'floor, event', plain => 1,
     start => \&Bench::Peers::Floor::start_event},
    {name => 'floor_blocking', label => 'floor, blocking', plain => 1,
     start => \&Bench::Peers::Floor::start_blocking},
    {name => 'pop3_hot', label => 'pop3.proxy, 4 workers', plain => 1, tls => 'client server',
     is_product => 1, start => \&Bench::Peers::Product::start_hot,
     only => qr/^(poll|fetch|bulk|open|storm|scale|size)/},
    {name => 'pop3_64', label => 'pop3.proxy, 64 workers', plain => 1, is_product => 1,
     start => \&Bench::Peers::Product::start_64, only => qr/^(poll|fetch)$/},
    {name => 'pop3_auto', label => 'pop3.proxy, default settings', plain => 1, tls => 'client server',
     is_product => 1, start => \&Bench::Peers::Product::start_auto},
    {name => 'pop3_many', label => 'pop3.proxy, many sessions a worker', plain => 1, tls => 'client server',
     is_product => 1, start => \&Bench::Peers::Product::start_many},
    {name => 'pop3_hot_auth', label => 'pop3.proxy, 4 workers, AUTH', plain => 1, is_product => 1,
     start => \&Bench::Peers::Product::start_hot_auth, only => qr/^(poll|open|storm)$/},
    {name => 'pop3_many_auth', label => 'pop3.proxy, many sessions, AUTH', plain => 1, is_product => 1,
     start => \&Bench::Peers::Product::start_many_auth, only => qr/^(poll|open|storm|wan-poll-.*)$/},
    {name => 'pop3_grown', label => 'pop3.proxy, one session a worker', plain => 1, is_product => 1,
     is_growing => 1, start => \&Bench::Peers::Product::start_grown},
    {name => 'pop3_grown_many', label => 'pop3.proxy, many sessions a worker', plain => 1,
     is_product => 1, is_growing => 1, start => \&Bench::Peers::Product::start_grown_many},
    (map { {name => "pop3_route_$_->[0]", label => "pop3.proxy, $_->[1]", plain => 1, is_product => 1,
            is_routing => 1, kind => $_->[0], start => \&Bench::Peers::Routed::start} }
        [none => 'one server'], [group => 'a group of ten'], [file => '`file:`, 10⁶ users'],
        [cdb => '`cdb:`, 10⁶ users'], [socketmap => '`socketmap:`'],
        [dovecot => '`dovecot:`, passwd-file'], [sqlite => '`dovecot:`, SQLite']),
    {name => 'haproxy', label => 'HAProxy, TCP', plain => 1, tls => 'client server',
     needs => ['haproxy'], start => \&Bench::Peers::Haproxy::start},
    {name => 'haproxy_splice', label => 'HAProxy, splice', plain => 1, needs => ['haproxy'],
     start => \&Bench::Peers::Haproxy::start_splice, only => qr/^(bulk|fetch)$/},
    {name => 'nginx', label => 'nginx mail', plain => 1, tls => 'client', needs => ['nginx'],
     start => \&Bench::Peers::Nginx::start_mail},
    {name => 'nginx_64k', label => 'nginx mail, 64k', plain => 1, tls => 'client',
     needs => ['nginx'], start => \&Bench::Peers::Nginx::start_64k,
     only => qr/^(bulk|fetch|bulk-tls-.*)$/},
    {name => 'nginx_stream', label => 'nginx stream', tls => 'client server', needs => ['nginx'],
     start => \&Bench::Peers::Nginx::start_stream},
    {name => 'nginx_stream_64k', label => 'nginx stream, 64k', tls => 'client server',
     needs => ['nginx'], start => \&Bench::Peers::Nginx::start_stream_64k,
     only => qr/^bulk-tls-/},
    {name => 'dovecot', label => 'Dovecot login proxy', plain => 1, tls => 'client server',
     needs => ['dovecot'], start => \&Bench::Peers::Dovecot::start},
    {name => 'hitch', label => 'hitch', tls => 'client', needs => ['hitch'],
     start => \&Bench::Peers::Tls::start_hitch},
    {name => 'stunnel', label => 'stunnel', tls => 'client server',
     needs => ['stunnel', 'stunnel4', 'stunnel5'], start => \&Bench::Peers::Tls::start_stunnel},
    {name => 'perdition', label => 'perdition', plain => 1, needs => ['perdition'],
     start => \&Bench::Peers::Perdition::start, slow => qr/^(open|wan|scale-(512|4096))/},
);

# The packages on Debian and Ubuntu, by the first needed program.
my %package = (haproxy => 'haproxy', dovecot => 'dovecot-pop3d', perdition => 'perdition',
               hitch => 'hitch', stunnel => 'stunnel4',
               nginx => 'nginx libnginx-mod-mail libnginx-mod-stream');

sub all { return @peers }

sub binary_of {
    my ($peer) = @_;
    my ($path) = grep { defined } map { in_path($_) } @{$peer->{needs} || []};
    return $path;
}

# "nginx" is the mail proxy with any buffer, not the stream proxy.
sub is_asked {
    my ($opt, $peer) = @_;
    return 1 unless $opt->{peer};
    return grep { $peer->{name} eq $_ || $peer->{name} =~ /^\Q$_\E_/ && $_ ne 'nginx' ||
                  $_ eq 'nginx' && $peer->{name} eq 'nginx_64k' } split /,/, $opt->{peer};
}

# The chosen peers, by name or by the beginning of a name.
sub asked {
    my ($opt) = @_;
    for my $name (split /,/, $opt->{peer} || '') {
        Bench::Options::usage("--peer $name: see --list")
            unless grep { $_->{name} =~ /^\Q$name\E(_|$)/ } @peers;
    }
    return grep { is_asked($opt, $_) } @peers;
}

# The chosen peers that can be measured here. The others go to `absent_r`: name => reason.
sub chosen {
    my ($opt, $absent_r) = @_;
    my @chosen;
    for my $peer (asked($opt)) {
        $peer->{binary} = binary_of($peer);
        if ($peer->{needs} && !$peer->{binary}) {
            my $package = $package{$peer->{needs}[0]};
            $absent_r->{$peer->{name}} = "not installed: apt-get install $package";
        } elsif ($peer->{is_product} && !$opt->{proxy}) {
            $absent_r->{$peer->{name}} = 'no --proxy';
        } else {
            push @chosen, $peer;
        }
    }
    return @chosen;
}

# The sides on which a workload has TLS and the peer has not.
sub lacking_tls {
    my ($peer, $workload) = @_;
    return grep { ($peer->{tls} || '') !~ /$_/ } sort keys %{$workload->{tls} || {}};
}

# Does this workload measure this peer?
sub can_do {
    my ($opt, $peer, $workload) = @_;
    return 0 unless $workload->{tls} ? !lacking_tls($peer, $workload) : $peer->{plain};
    return 0 if !$workload->{grown} != !$peer->{is_growing};
    return 0 if !$workload->{is_routing} != !$peer->{is_routing};
    return 0 if $peer->{only} && $workload->{name} !~ $peer->{only};
    my $is_named = grep { $_ eq $peer->{name} } split /,/, $opt->{peer} || '';
    return $is_named || !($peer->{slow} && $workload->{name} =~ $peer->{slow});
}

1;
